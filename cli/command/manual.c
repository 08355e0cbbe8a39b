#include "cli/command/command.h"

#include "cli/apply/member.h"

#include <string.h>

/* skerryctl(1) and skerry-resources(7) as man(7) source, from the same tables as help. The build runs `__manual`. */

/* Text between macros: a line must not begin like one, and a backslash is one. */
static void put_text(const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text; text++)
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else
            putchar(*text);
}

static void put_line(const char *text)
{
    put_text(text);
    putchar('\n');
}

static void put_heading(const char *name, const char *section, const char *brief)
{
    printf(".TH %s %s \"\" \"Skerry " SKR_VERSION "\" \"Skerry\"\n.SH NAME\n%s \\- %s\n", name, section, name, brief);
}

static void put_flag(const struct skr_flag *flag)
{
    printf(".TP\n\\fB");
    if (flag->letter)
        printf("\\-%c\\fR, \\fB", flag->letter);
    fputs("\\-\\-", stdout);
    put_text(flag->name);
    fputs("\\fR", stdout);
    if (flag->value)
        printf(" \\fI%s\\fR", flag->value);
    putchar('\n');
    put_line(flag->help);
}

static void put_commands(void)
{
    puts(".SH COMMANDS");
    for (unsigned i = 0; i < skr_command_count; i++) {
        if (skr_commands[i].name[0] == '_')
            continue;
        puts(".SS");
        fputs("skerryctl ", stdout);
        put_line(skr_commands[i].usage);
        put_text(skr_commands[i].help);
        puts(".");
        for (const struct skr_flag *flag = skr_commands[i].flags; flag->name; flag++)
            put_flag(flag);
    }
}

static void put_program(void)
{
    put_heading("skerryctl", "1", "drive a Skerry controller, and look into the agent of a host");
    puts(".SH SYNOPSIS\n.B skerryctl\n.I command\n[\\fIword\\fR ...] [\\fB\\-\\-flag\\fR [\\fIvalue\\fR] ...]\n"
         ".SH DESCRIPTION\n"
         "Objects are named by kind and name. A name may be a path,\n.BR red/web/front :\n"
         "the tenant and the VM network before the name of a VM subnet. Fields and filters of a kind are flags with\n"
         "dashes; references go without their _id and take names:\n.BR \"\\-\\-vm\\-network red/web\" .\n"
         "The kinds and their fields are in\n.BR skerry\\-resources (7).");
    put_commands();
    puts(".SH FILES\n"
         "apply, diff and create read YAML or JSON: one object, a list, or a member\n.B items\nthat holds one. Each "
         "object says its\n.B kind\nand\n.BR name .\n"
         ".TP\n.I $XDG_CONFIG_HOME/skerry/config.json\nWhat login keeps: address, authority, token. Mode 0600.\n"
         ".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nNo colour, also on a terminal.\n"
         ".TP\n.BR VISUAL \", \" EDITOR\nThe editor that edit runs; vi otherwise.\n"
         ".SH EXIT STATUS\n0 done, 1 failed (of diff: something differs), 2 usage, 3 not found, 4 conflict, 5 "
         "refused,\n"
         "6 unreachable, 7 not yet realized.\n"
         ".SH SEE ALSO\n.BR skerry\\-resources (7),\n.BR skerry\\-controller (8),\n.BR skerry\\-agent (8)");
}

static void put_field(const struct skr_field *field, const struct skr_resource *resource)
{
    fputs(".TP\n\\fB", stdout);
    put_text(field->name);
    fputs("\\fR", stdout);
    if (!skr_member_is_writable(field) && !(resource->flags & SKR_RESOURCE_VIEW))
        fputs(" (read only)", stdout);
    else if (field->flags & SKR_FIELD_REQUIRED)
        fputs(" (required)", stdout);
    putchar('\n');
    put_text(field->help);
    if (field->choices) {
        fputs(": ", stdout);
        for (const char *const *choice = field->choices; *choice; choice++) {
            put_text(*choice);
            fputs(choice[1] ? ", " : "", stdout);
        }
    }
    puts(".");
    if (!field->sub)
        return;
    puts(".RS");
    for (unsigned i = 0; i < field->sub->field_count; i++)
        put_field(&field->sub->fields[i], field->sub);
    puts(".RE");
}

static void put_resource(const struct skr_resource *resource)
{
    fputs(".SH ", stdout);
    put_line(resource->name);
    put_text(resource->help);
    puts(".");
    for (unsigned i = 0; i < resource->field_count; i++)
        if (!(resource->fields[i].flags & SKR_FIELD_HIDDEN) && (i >= SKR_FIELD_COMMON_COUNT || i == SKR_FIELD_NAME))
            put_field(&resource->fields[i], resource);
    for (unsigned i = 0; i < resource->action_count; i++) {
        const struct skr_action *action = &resource->actions[i];
        fputs(".TP\n\\fB:", stdout);
        put_text(action->verb);
        puts("\\fR");
        put_text(action->help);
        puts(".");
        for (unsigned f = 0; action->input && f < action->input->field_count; f++) {
            puts(".RS");
            put_field(&action->input->fields[f], action->input);
            puts(".RE");
        }
    }
}

static void put_resources(void)
{
    put_heading("skerry-resources", "7", "the kinds of objects that a Skerry controller keeps");
    puts(".SH DESCRIPTION\nEvery object has an id, a name, a description, labels, created_at, updated_at and an etag;\n"
         "what the controller and the hosts say of it stands in its status. The REST API has each kind as a\n"
         "collection, /v1/vm\\-networks, and\n.BR skerryctl (1)\nby any of its names.");
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++)
        put_resource(skr_resource_get((enum skr_resource_id)i));
    puts(".SH SEE ALSO\n.BR skerryctl (1)");
}

int skr_command_manual(const struct skr_command *command, const struct skr_arguments *arguments)
{
    const char *page = arguments->word_count == 1 ? arguments->words[0] : "";
    if (strcmp(page, "skerryctl.1") == 0)
        put_program();
    else if (strcmp(page, "skerry-resources.7") == 0)
        put_resources();
    else
        return skr_usage_because(command, "The pages are skerryctl.1 and skerry-resources.7");
    return SKR_EXIT_DONE;
}
