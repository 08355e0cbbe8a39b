#include "cli/command/command.h"

#include "cli/apply/member.h"

#include <string.h>

/* Completion for shells: `completion bash|zsh` prints a script that asks `__complete -- WORD ... CURRENT` what could
 * stand in the place of the last word, a candidate a line. All of it comes from the tables; names of objects come from
 * the controller, if there is a login. It never fails loudly: nobody wants an error in the middle of a command line. */

#define NAMES_MAX   "200" /* names of objects that are offered */
#define FLAG_PREFIX "--"

static const char bash_script[] =
        "_skerryctl() {\n"
        "    local IFS=$'\\n'\n"
        "    local words=(\"${COMP_WORDS[@]:1:COMP_CWORD}\")\n"
        "    COMPREPLY=($(compgen -W \"$(skerryctl __complete -- \"${words[@]}\" 2>/dev/null)\" -- "
        "\"${COMP_WORDS[COMP_CWORD]}\"))\n"
        "}\n"
        "complete -o default -F _skerryctl skerryctl\n";
static const char zsh_script[] =
        "#compdef skerryctl\n"
        "_skerryctl() {\n"
        "    local -a candidates\n"
        "    candidates=(\"${(@f)$(skerryctl __complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
        "    if [[ -n $candidates ]]; then compadd -a candidates; else _files; fi\n"
        "}\n"
        "compdef _skerryctl skerryctl\n";

int skr_command_completion(const struct skr_command *command, const struct skr_arguments *arguments)
{
    const char *shell = arguments->word_count == 1 ? arguments->words[0] : "";
    if (strcmp(shell, "bash") == 0)
        fputs(bash_script, stdout);
    else if (strcmp(shell, "zsh") == 0)
        fputs(zsh_script, stdout);
    else
        return skr_usage_because(command, "completion takes bash or zsh");
    return SKR_EXIT_DONE;
}

/* ---- candidates ---- */

struct completing {
    const char *const *words; /* those before the current one */
    unsigned count;
    const char *current;
    const struct skr_command *command;
    unsigned command_words;
    const struct skr_resource *kind;
    unsigned positionals; /* words behind the command that are no flags */
    const char *first;    /* of them */
};

static void offer(const struct completing *completing, const char *text)
{
    if (strncmp(text, completing->current, strlen(completing->current)) == 0)
        puts(text);
}

static void offer_kinds(const struct completing *completing)
{
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++)
        offer(completing, skr_resource_get((enum skr_resource_id)i)->collection);
}

/* Words of commands: the second ones of "host ..." behind "host". */
static void offer_commands(const struct completing *completing)
{
    const char *before = completing->count ? completing->words[0] : NULL;
    char word[64] = "", last[64] = "";
    for (unsigned i = 0; i < skr_command_count; i++) {
        const char *name = skr_commands[i].name, *space = strchr(name, ' ');
        size_t first = space ? (size_t)(space - name) : strlen(name);
        if (name[0] == '_' || completing->count > 1)
            continue;
        if (before) {
            if (space && strlen(before) == first && strncmp(before, name, first) == 0)
                offer(completing, space + 1);
            continue;
        }
        snprintf(word, sizeof(word), "%.*s", (int)first, name);
        if (strcmp(word, last) != 0)
            offer(completing, word);
        memcpy(last, word, sizeof(last));
    }
}

static void offer_names(const struct completing *completing, const struct skr_resource *kind)
{
    struct skr_session session SKR_CLEANUP(skr_session_close) = {0};
    struct skr_request_path path;
    json_t *page = NULL, *item;
    size_t i;
    skr_path_set(&path, "/v1/%s?limit=" NAMES_MAX, kind->collection);
    if (skr_session_open(NULL, &session, NULL) < 0 || skr_client_get(session.client, path.text, &page, NULL) < 0)
        return;
    json_array_foreach (json_object_get(page, "items"), i, item) {
        char *name SKR_CLEANUP(skr_free_cleanup) = skr_lookup_path(session.lookup, kind, item);
        skr_text_tame(name);
        offer(completing, name);
    }
    json_decref(page);
}

/* Fields that can be flags here: filters of a list, what a request writes, what an action takes. */
static const struct skr_resource *field_table(const struct completing *completing)
{
    const struct skr_resource *kind = completing->kind;
    const char *verb = strrchr(completing->command->name, ' ') ? strrchr(completing->command->name, ' ') + 1 : NULL;
    if (kind && strcmp(completing->command->name, "act") == 0)
        verb = completing->positionals > 2 ? completing->words[completing->count - 1] : NULL;
    for (unsigned i = 0; kind && verb && i < kind->action_count; i++)
        if (strcmp(kind->actions[i].verb, verb) == 0)
            return kind->actions[i].input;
    return verb ? NULL : kind;
}

static bool is_offered(const struct completing *completing, const struct skr_field *field)
{
    return strcmp(completing->command->name, "get") == 0 ? field->flags & SKR_FIELD_FILTER
                                                         : skr_member_is_writable(field);
}

static void offer_flags(const struct completing *completing)
{
    char text[SKR_FIELD_NAME_MAX + sizeof(FLAG_PREFIX)];
    const struct skr_resource *table = completing->command->takes_fields ? field_table(completing) : NULL;
    for (const struct skr_flag *flag = completing->command->flags; flag->name; flag++) {
        snprintf(text, sizeof(text), FLAG_PREFIX "%s", flag->name);
        offer(completing, text);
    }
    for (unsigned i = 0; table && i < table->field_count; i++) {
        if (!is_offered(completing, &table->fields[i]))
            continue;
        char name[SKR_FIELD_NAME_MAX];
        skr_member_short_name(&table->fields[i], name, sizeof(name));
        for (char *c = name; *c; c++)
            *c = *c == '_' ? '-' : *c;
        snprintf(text, sizeof(text), FLAG_PREFIX "%s", name);
        offer(completing, text);
    }
}

/* Offers the values that a flag takes; false when the flag takes no value. */
static bool offer_values(const struct completing *completing, const char *flag)
{
    static const char *const forms[] = {"table", "wide", "json", "yaml", "name"};
    static const char *const goals[] = {"realized", "bound", "deleted"};
    char name[SKR_FIELD_NAME_MAX];
    if (strcmp(flag, "--output") == 0 || strcmp(flag, "-o") == 0)
        for (size_t i = 0; i < SKR_ARRAY_SIZE(forms); i++)
            offer(completing, forms[i]);
    else if (strcmp(flag, "--for") == 0)
        for (size_t i = 0; i < SKR_ARRAY_SIZE(goals); i++)
            offer(completing, goals[i]);
    for (const struct skr_flag *known = completing->command->flags; known->name; known++)
        if (strcmp(flag + strspn(flag, "-"), known->name) == 0 || (known->letter && flag[1] == known->letter))
            return known->value != NULL;
    const struct skr_resource *table = completing->command->takes_fields ? field_table(completing) : NULL;
    snprintf(name, sizeof(name), "%.60s", flag + strspn(flag, "-"));
    for (char *c = name; *c; c++)
        *c = *c == '-' ? '_' : *c;
    int field = table ? skr_member_find(table, name, NULL) : -1;
    if (field < 0)
        return false;
    const struct skr_resource *target = skr_field_target(&table->fields[field]);
    for (const char *const *choice = table->fields[field].choices; choice && *choice; choice++)
        offer(completing, *choice);
    if (table->fields[field].kind == SKR_KIND_BOOLEAN) {
        offer(completing, "true");
        offer(completing, "false");
    }
    if (target)
        offer_names(completing, target);
    return true;
}

static void offer_positionals(const struct completing *completing)
{
    const char *name = completing->command->name;
    bool of_host = strncmp(name, "host ", 5) == 0 && completing->command->takes_fields;
    if (strcmp(name, "help") == 0) {
        for (unsigned i = 0; i < skr_command_count; i++)
            if (skr_commands[i].name[0] != '_')
                offer(completing, skr_commands[i].name);
        offer_kinds(completing);
    } else if (of_host && completing->positionals == 0) {
        offer_names(completing, skr_resource_get(SKR_HOST));
    } else if (strncmp(name, "job ", 4) == 0 && skr_resource_find("job")) {
        offer_names(completing, skr_resource_find("job"));
    } else if (strcmp(name, "explain") == 0) {
        offer_names(completing, skr_resource_get(SKR_NETWORK_ADAPTER));
    } else if (completing->command->takes_kind && completing->positionals == 0) {
        offer_kinds(completing);
    } else if (completing->kind && strcmp(name, "act") == 0 && completing->positionals == 2) {
        for (unsigned i = 0; i < completing->kind->action_count; i++)
            offer(completing, completing->kind->actions[i].verb);
    } else if (completing->kind && strcmp(name, "create") != 0) {
        offer_names(completing, completing->kind);
    }
}

/* Finds the command that the words name, and how many of its words are there. */
static void read_words(struct completing *completing)
{
    char joined[64] = "";
    for (unsigned i = 0; i < completing->count && i < 2; i++) {
        size_t at = strlen(joined);
        snprintf(joined + at, sizeof(joined) - at, "%s%.30s", i ? " " : "", completing->words[i]);
        for (unsigned c = 0; c < skr_command_count; c++)
            if (strcmp(skr_commands[c].name, joined) == 0) {
                completing->command = &skr_commands[c];
                completing->command_words = i + 1;
            }
    }
    for (unsigned i = completing->command_words; completing->command && i < completing->count; i++) {
        if (completing->words[i][0] == '-') {
            i += !strchr(completing->words[i], '='); /* its value */
            continue;
        }
        if (!completing->positionals++)
            completing->first = completing->words[i];
    }
    if (completing->command && completing->command->takes_kind && completing->first)
        completing->kind = skr_resource_find(completing->first);
    else if (completing->command && strncmp(completing->command->name, "host ", 5) == 0)
        completing->kind = skr_resource_get(SKR_HOST);
}

int skr_command_complete(const struct skr_command *command, const struct skr_arguments *arguments)
{
    unsigned count = arguments->word_count;
    struct completing completing = {.words = arguments->words,
                                    .count = count ? count - 1 : 0,
                                    .current = count ? arguments->words[count - 1] : ""};
    (void)command;
    read_words(&completing);
    const char *before = completing.count ? completing.words[completing.count - 1] : "";
    if (!completing.command)
        offer_commands(&completing);
    else if (before[0] == '-' && before[1] && !strchr(before, '=') && offer_values(&completing, before))
        return SKR_EXIT_DONE;
    else if (completing.current[0] == '-')
        offer_flags(&completing);
    else
        offer_positionals(&completing);
    return SKR_EXIT_DONE;
}
