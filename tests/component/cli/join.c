/* Hosts that join with the line that skerryctl prints, and their uplinks afterwards: skerry-agent, skerryctl and the
 * controller as programs. The interface lo is on every machine, so it stands for an uplink here. */
#include "tests/component/cli/scene.h"

#include <fcntl.h>
#include <skerry/file.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

TestSuite(join, .init = open_scene, .fini = close_scene);

static char string[1024];

/* Keeps the join string of the line that is printed. */
static void make_token(const char *words)
{
    expect(0, ctl("host join-command%s", words));
    const char *from = strchr(out, '\''), *to = from ? strchr(from + 1, '\'') : NULL;
    cr_assert(to, "%s", out);
    snprintf(string, sizeof(string), "%.*s\n", (int)(to - from - 1), from + 1);
}

/* Runs skerry-agent join as the machine of that number, which wishes the name; `out` and `err` are its words. */
static int join(int machine, const char *name, const char *flag, const char *value)
{
    char state[128], out_path[128], err_path[128], in_path[128];
    int status = 0;
    snprintf(state, sizeof(state), "%s/machine%d", directory, machine);
    snprintf(out_path, sizeof(out_path), "%s/out", directory);
    snprintf(err_path, sizeof(err_path), "%s/err", directory);
    snprintf(in_path, sizeof(in_path), "%s/in", directory);
    cr_assert_eq(skr_file_replace(in_path, string, strlen(string), 0600), 0);
    char *argv[] = {SKR_BUILD_DIR "/skerry-agent",
                    "join",
                    "-",
                    "--state-directory",
                    state,
                    "--name",
                    (char *)(uintptr_t)name,
                    (char *)(uintptr_t)flag,
                    (char *)(uintptr_t)value,
                    NULL};
    pid_t pid = start(out_path, err_path, in_path, argv);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    read_into(out_path, out);
    read_into(err_path, err);
    cr_expect_null(strstr(err, "Sanitizer"), "%s", err);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

Test(join, the_printed_line_asks_for_an_uplink)
{
    expect(0, ctl("host join-command"));
    cr_expect(strstr(out, "' --uplink IFNAME\n"), "%s", out);
    cr_expect(strstr(err, "in the place of IFNAME"), "%s", err);
    make_token("");
    cr_expect_neq(join(1, "h1", "--uplink", "IFNAME"), 0);
    cr_expect(strstr(err, "no interface IFNAME") && strstr(err, "still good"), "%s", err);
    expect(0, join(1, "h1", "--uplink", "lo"));
}

Test(join, a_name_that_is_taken_is_told_with_the_one_that_was_given)
{
    make_token(" --uses 3");
    expect(0, join(1, "h1", "--uplink", "lo"));
    cr_expect(strstr(out, " as host h1 (") && !strstr(out, "taken"), "%s", out);
    expect(0, join(2, "h1", "--uplink", "lo"));
    cr_expect(strstr(out, " as host h1-2 ("), "%s", out);
    cr_expect(strstr(out, "The name h1 is taken by another host, so this host is called h1-2.") &&
                      strstr(out, "skerryctl host replace h1 --new-host h1-2"),
              "%s", out);
    expect(0, join(3, "a b", "--uplink", "lo"));
    cr_expect(strstr(out, " as host a-b (") && strstr(out, "asked for the name a b and is called a-b"), "%s", out);
    expect(0, ctl("get events -o json"));
    cr_expect(strstr(out, "Host \\\"h1-2\\\" joined. It asked for the name \\\"h1\\\", which another host has."), "%s",
              out);
    cr_expect(strstr(out, "Host \\\"h1\\\" joined.\""), "%s", out);
    cr_expect(strstr(out, "Host \\\"a-b\\\" joined.\""), "a name that was only cleaned is no other host's: %s", out);
}

Test(join, a_host_says_why_it_carries_no_virtualized_network)
{
    make_token("");
    expect(0, join(1, "h1", NULL, NULL));
    expect(0, ctl("host list"));
    cr_expect_null(strstr(out, "virtualized"), "nobody asks for it yet: %s", out);
    expect(0, apply(cloud));
    expect(0, ctl("host list"));
    cr_expect(strstr(out, "It can carry no virtualized network: it has no uplink.") &&
                      strstr(out, "skerryctl host edit h1 --uplink INTERFACE"),
              "%s", out);
    expect(0, ctl("host edit h1 --uplink lo"));
    expect(0, ctl("host list"));
    cr_expect(strstr(out, "no site of a virtualized logical network serves its host group \"All hosts\""), "%s", out);
    expect(0, ctl("get host h1 -o json"));
    cr_expect(strstr(out, "\"reason\": \"It can carry no") && strstr(out, "\"compliant\": false"), "%s", out);
}

Test(join, edit_replaces_the_uplinks)
{
    make_token("");
    expect(0, join(1, "h1", NULL, NULL));
    cr_expect(strstr(out, "no uplink yet") && strstr(out, "skerryctl host edit h1 --uplink INTERFACE"), "%s", out);
    expect(0, ctl("host edit h1 --uplink eth1 --uplink eth2"));
    cr_expect_str_eq(out, "host/h1 changed\n");
    expect(0, ctl("edit host h1 --uplinks [{\"name\":\"left\",\"interface\":\"eth1\"},{\"name\":\"x\",\"interface\":"
                  "\"eth2\"}]"));
    expect(0, ctl("host edit h1 --uplink eth3 --uplink eth1 --description rack"));
    expect(0, ctl("get host h1 -o yaml"));
    const char *third = strstr(out, "interface: eth3"), *first = strstr(out, "interface: eth1");
    cr_expect(third && first && third < first && !strstr(out, "eth2"), "these and no others, in order: %s", out);
    cr_expect(strstr(out, "name: left"), "one that stays is as it was: %s", out);
    cr_expect(strstr(out, "description: rack"), "%s", out);
    expect(0, ctl("host edit h1 --uplink eth3 --uplink eth1"));
    cr_expect_str_eq(out, "host/h1 left alone\n");
    expect(2, ctl("host edit h1 --uplink"));
    expect(2, ctl("host edit"));
    cr_expect_neq(ctl("host edit h1 --uplink eth3 --uplinks []"), 0);
    cr_expect(strstr(err, "give one"), "%s", err);
    cr_expect_neq(ctl("host edit h1 --uplink eth3 --uplink eth3"), 0);
    cr_expect(strstr(err, "eth3"), "%s", err);
    expect(0, ctl("host edit --help"));
    cr_expect(strstr(out, "several times") && strstr(out, "replace"), "%s", out);
    expect(0, ctl("__complete -- host edit h"));
    cr_expect(strstr(out, "h1"), "%s", out);
}
