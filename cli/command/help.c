#include "cli/command/command.h"

#include "cli/apply/member.h"

#include <stdlib.h>
#include <string.h>

static void print_flags(const struct skr_flag *flags)
{
    for (const struct skr_flag *flag = flags; flag->name; flag++) {
        char text[64];
        snprintf(text, sizeof(text), "--%s%s%s", flag->name, flag->value ? " " : "", flag->value ? flag->value : "");
        if (flag->letter)
            printf("  -%c, %-24s %s\n", flag->letter, text, flag->help);
        else
            printf("      %-24s %s\n", text, flag->help);
    }
}

static void print_kinds(void)
{
    puts("\nKinds (plural, singular or short):");
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++) {
        const struct skr_resource *resource = skr_resource_get((enum skr_resource_id)i);
        printf("  %-23s %-6s %s%s\n", resource->collection, resource->shorthand ? resource->shorthand : "",
               resource->help, resource->flags & SKR_RESOURCE_VIEW ? " (read only)" : "");
    }
}

static void print_command(const struct skr_command *command)
{
    printf("Usage: skerryctl %s\n\n%s.\n", command->usage, command->help);
    if (command->flags->name) {
        putchar('\n');
        print_flags(command->flags);
    }
    if (strcmp(command->name, "apply") == 0)
        puts("\nThe file is YAML or JSON: one object, a list, {\"items\": [...]}, or several YAML documents. Each says "
             "its kind\n"
             "and name; references are names: vm_network: red/web. What get -o yaml and -o json print can be applied.\n"
             "Labels are merged: a label that the file does not name stays.");
    if (command->takes_kind) {
        puts("\nNames may be paths, \"red/web/front\": the tenant and the VM network before the name of a VM subnet.\n"
             "Fields and filters are flags, see skerryctl help KIND.");
        print_kinds();
    }
}

static void describe_field(const struct skr_resource *resource, const struct skr_field *field)
{
    char name[SKR_FIELD_NAME_MAX + 8], notes[160] = "";
    size_t length = 0;
    snprintf(name, sizeof(name), "%s", field->name);
    if (!skr_member_is_writable(field) && !(resource->flags & SKR_RESOURCE_VIEW))
        length += (size_t)snprintf(notes + length, sizeof(notes) - length, ", read only");
    else if (field->flags & SKR_FIELD_REQUIRED)
        length += (size_t)snprintf(notes + length, sizeof(notes) - length, ", required");
    if (skr_member_is_writable(field) && field->flags & SKR_FIELD_IMMUTABLE)
        length += (size_t)snprintf(notes + length, sizeof(notes) - length, ", fixed at create");
    if (skr_member_is_writable(field) && field->kind == SKR_KIND_SECRET)
        length += (size_t)snprintf(notes + length, sizeof(notes) - length, ", as --%s -", field->name);
    if (field->flags & SKR_FIELD_FILTER)
        length += (size_t)snprintf(notes + length, sizeof(notes) - length, ", filter");
    if (field->fallback)
        snprintf(notes + length, sizeof(notes) - length, ", default %.40s", field->fallback);
    printf("  %-24s %s%s%s%s\n", name, field->help, *notes ? " (" : "", *notes ? notes + 2 : "", *notes ? ")" : "");
    for (const char *const *choice = field->choices; choice && *choice; choice++)
        printf("  %-24s   %s\n", "", *choice);
    for (unsigned i = 0; field->sub && i < field->sub->field_count; i++)
        printf("  %-24s   .%s: %s\n", "", field->sub->fields[i].name, field->sub->fields[i].help);
}

static void print_kind(const struct skr_resource *resource)
{
    printf("%s (%s%s%s)\n%s.\n\nFields:\n", resource->name, resource->collection, resource->shorthand ? ", " : "",
           resource->shorthand ? resource->shorthand : "", resource->help);
    for (unsigned i = 0; i < resource->field_count; i++)
        if (!(resource->fields[i].flags & SKR_FIELD_HIDDEN))
            describe_field(resource, &resource->fields[i]);
    if (resource->action_count)
        printf("\nActions (skerryctl act %s NAME ACTION):\n", resource->name);
    for (unsigned i = 0; i < resource->action_count; i++) {
        const struct skr_action *action = &resource->actions[i];
        printf("  %-24s %s\n", action->verb, action->help);
        for (unsigned f = 0; action->input && f < action->input->field_count; f++)
            printf("  %-24s   --%s: %s\n", "", action->input->fields[f].name, action->input->fields[f].help);
    }
    puts("\nOn the command line a field is a flag with dashes; references go without their _id and take names:\n"
         "  --vm-network red/web");
}

static void print_all(void)
{
    puts("skerryctl drives a Skerry controller, and looks into the agent of a host.\n\nCommands:");
    for (unsigned i = 0; i < skr_command_count; i++)
        if (skr_commands[i].name[0] != '_')
            printf("  %-19s %s\n", skr_commands[i].name, skr_commands[i].help);
    print_kinds();
    puts("\nskerryctl help COMMAND and skerryctl help KIND say more; skerryctl --version.\n"
         "Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict, 5 refused, 6 unreachable, 7 not yet "
         "realized.");
}

int skr_command_help(const struct skr_command *command, const struct skr_arguments *arguments)
{
    char name[128] = "";
    const char **names SKR_CLEANUP(skr_free_cleanup) = calloc(skr_command_count + SKR_RESOURCE_COUNT, sizeof(*names));
    size_t count = 0;
    unsigned shown = 0;
    if (!names)
        abort();
    for (unsigned i = 0; i < arguments->word_count; i++) {
        size_t length = strlen(name);
        snprintf(name + length, sizeof(name) - length, "%s%s", i ? " " : "", arguments->words[i]);
    }
    if (!*name) {
        print_all();
        return SKR_EXIT_DONE;
    }
    for (unsigned i = 0; i < skr_command_count; i++) {
        const char *candidate = skr_commands[i].name;
        size_t length = strlen(name);
        /* "host" explains all of its commands */
        if (strncmp(candidate, name, length) == 0 && (!candidate[length] || candidate[length] == ' ')) {
            if (shown++)
                putchar('\n');
            print_command(&skr_commands[i]);
        }
        names[count++] = candidate;
    }
    const struct skr_resource *resource = skr_resource_find(name);
    if (!shown && resource)
        print_kind(resource);
    if (shown || resource)
        return SKR_EXIT_DONE;
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++)
        names[count++] = skr_resource_get((enum skr_resource_id)i)->name;
    const char *near = skr_nearest(name, names, count);
    return near ? skr_usage_because(command, "There is neither a command nor a kind '%.60s'; did you mean '%s'?", name,
                                    near)
                : skr_usage_because(command, "There is neither a command nor a kind '%.60s'", name);
}
