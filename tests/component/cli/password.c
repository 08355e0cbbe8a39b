/* Secrets that people give: on standard input and on a terminal, never as a word; and that what was given is what the
 * controller then takes. */
#include "tests/component/cli/scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST  "correct horse battery"
#define SECOND "another long password"

TestSuite(password, .init = open_scene, .fini = close_scene);

/* Logs in as the web page does, and tells the session nothing but that it was made. */
static int log_in(const char *name, const char *password)
{
    char line[128];
    snprintf(line, sizeof(line), "%s\n", password);
    char words[128];
    snprintf(words, sizeof(words), "create session %s --password -", name);
    return ctl_reading(line, words);
}

static void let_in(const char *name)
{
    expect(0, ctl("create tenant %s-tenant", name));
    expect(0, ctl("create role-binding %s-role --user %s --role tenant-admin --tenant %s-tenant", name, name, name));
}

Test(password, create_takes_one_from_standard_input)
{
    expect(0, ctl_reading(FIRST "\n", "create user rita --password -"));
    cr_expect_str_eq(out, "user/rita created\n");
    let_in("rita");
    expect(0, log_in("rita", FIRST));
    expect(5, log_in("rita", SECOND));
}

Test(password, a_word_is_refused_and_nothing_is_created)
{
    expect(2, ctl("create user rita --password correct-horse-battery"));
    cr_expect(strstr(err, "--password takes - alone") && strstr(err, "process list"), "%s", err);
    cr_expect_null(strstr(err, "horse"), "%s", err);
    expect(2, ctl("create user rita --password"));
    expect(2, ctl_reading("", "create user rita --password -"));
    cr_expect(strstr(err, "nothing was given"), "%s", err);
    char *text = malloc(1100);
    memset(text, 'x', 1099);
    text[1099] = '\0';
    expect(2, ctl_reading(text, "create user rita --password -"));
    cr_expect(strstr(err, "at most 1024 bytes"), "%s", err);
    text[1024] = '\0';
    expect(0, ctl_reading(text, "create user longest --password -"));
    free(text);
    expect(3, ctl("get user rita"));
    expect(2, ctl("create backup now --passphrase secret"));
    cr_expect(strstr(err, "--passphrase takes - alone"), "%s", err);
    expect(2, ctl_reading("brief\n", "create user rita --password -"));
    cr_expect(strstr(err, "/password"), "%s", err);
}

Test(password, manifests_hold_one_that_create_takes_and_apply_leaves)
{
    static const char user[] = "kind: user\nname: rita\npassword: " FIRST "\n";
    expect(1, ctl_reading(user, "diff -f -"));
    cr_expect(strstr(out, "password: (secret)") && !strstr(out, FIRST), "%s", out);
    expect(0, ctl_reading(user, "create -f -"));
    let_in("rita");
    expect(0, log_in("rita", FIRST));
    expect(0, ctl_reading("kind: user\nname: rita\ndescription: ours\npassword: " SECOND "\n", "apply -f -"));
    cr_expect_str_eq(out, "user/rita changed\n");
    cr_expect(strstr(err, "user/rita keeps its password; skerryctl edit user rita --password -"), "%s", err);
    expect(0, log_in("rita", FIRST));
    expect(0, ctl_reading(user, "diff -f -"));
    expect(0, ctl_reading("name,password\nruth," SECOND "\n", "apply -f - --kind user"));
    let_in("ruth");
    expect(0, log_in("ruth", SECOND));
}

Test(password, edit_sets_a_new_one_and_fields)
{
    expect(0, ctl_reading(FIRST "\n", "create user rita --password -"));
    let_in("rita");
    expect(0, ctl_reading(SECOND "\n", "edit user rita --password -"));
    cr_expect_str_eq(out, "user/rita changed\n");
    expect(5, log_in("rita", FIRST));
    expect(0, log_in("rita", SECOND));
    expect(0, ctl("edit user rita --description ours"));
    cr_expect_str_eq(out, "user/rita changed\n");
    expect(0, ctl("edit user rita --description ours"));
    cr_expect_str_eq(out, "user/rita left alone\n");
    expect(0, log_in("rita", SECOND));
    cr_expect_neq(ctl("edit user rita --id 018f0000-0000-7000-8000-000000000000"), 0);
}

Test(password, users_change_their_own)
{
    expect(0, ctl_reading(FIRST "\n", "create user rita --password -"));
    expect(5, ctl_reading(FIRST "\n" SECOND "\n", "password rita"));
    cr_expect(strstr(err, "no role yet"), "%s", err);
    let_in("rita");
    expect(5, ctl_reading("not the password\n" SECOND "\n", "password rita"));
    expect(2, ctl_reading(FIRST "\nbrief\n", "password rita"));
    cr_expect(strstr(err, "/password"), "%s", err);
    expect(2, ctl_reading(FIRST "\n", "password rita"));
    expect(2, ctl("password"));
    expect(0, log_in("rita", FIRST));
    /* With a second role, whichever of them serves. */
    expect(0, ctl("create role-binding rita-looks --user rita --role auditor"));
    expect(0, ctl_reading(FIRST "\n" SECOND "\n", "password rita"));
    cr_expect(strstr(err, "The password of rita is changed"), "%s", err);
    expect(5, ctl_reading(FIRST "\n" FIRST "\n", "password rita"));
    expect(0, ctl_reading(SECOND "\n" FIRST "\n", "password rita"));
    expect(0, ctl("get sessions -o json"));
    cr_expect_null(strstr(out, "\"name\": \"rita\""), "the change logs out: %s", out);
}

Test(password, a_terminal_is_asked_without_echo)
{
    expect(0, ctl_answering(FIRST "\n" FIRST "\n", "create user rita --password -"));
    cr_expect(strstr(out, "password: ") && strstr(out, "The same again: "), "%s", out);
    cr_expect_null(strstr(out, FIRST), "%s", out);
    let_in("rita");
    expect(0, log_in("rita", FIRST));
    expect(2, ctl_answering(FIRST "\n" SECOND "\n", "create user ruth --password -"));
    cr_expect(strstr(out, "the two differ"), "%s", out);
    expect(0, ctl_answering(FIRST "\n" SECOND "\n" SECOND "\n", "password rita"));
    cr_expect_null(strstr(out, SECOND), "%s", out);
    expect(0, log_in("rita", SECOND));
}

Test(password, help_says_how_it_is_given)
{
    expect(0, ctl("help user"));
    cr_expect(strstr(out, "(as --password -)"), "%s", out);
    expect(0, ctl("help backup"));
    cr_expect(strstr(out, "as --passphrase -)"), "%s", out);
    expect(0, ctl("help token"));
    cr_expect(strstr(out, "Shown once, at create (read only)"), "%s", out);
}
