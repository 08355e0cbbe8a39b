/* skerryctl and skerry-controller as programs: exit codes, what goes to which stream, and that apply is idempotent. */
#include "tests/component/cli/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <skerry/file.h>
#include <skerry/macros.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

TestSuite(skerryctl, .init = open_scene, .fini = close_scene);

Test(skerryctl, login_keeps_a_secret_and_trusts_one_authority)
{
    char path[128], command[256];
    struct stat kept;
    snprintf(path, sizeof(path), "%s/.config/skerry/config.json", directory);
    cr_assert_eq(stat(path, &kept), 0);
    cr_expect_eq(kept.st_mode & 0777, 0600);
    expect(0, ctl("config -o json"));
    json_t *config = json_loads(out, 0, NULL);
    cr_assert(config);
    char *hash = strdup(json_string_value(json_object_get(config, "authority")));
    json_decref(config);
    cr_expect_null(strstr(out, "token"));
    expect(0, ctl("login %s --ca-hash %s --token-file %s/data/admin.token", url, hash, directory));
    hash[0] = hash[0] == '0' ? '1' : '0';
    expect(5, ctl("login %s --ca-hash %s --token-file %s/data/admin.token", url, hash, directory));
    expect(6, ctl("login %s --token-file %s/data/admin.token", url, directory));
    expect(5,
           ctl_reading("018f0000-0000-7000-8000-000000000000.nothing\n",
                       (snprintf(command, sizeof(command), "login %s --ca %s/data/ca.pem", url, directory), command)));
    expect(0, ctl("get tenants")); /* a login that failed leaves the old one */
    free(hash);
}

Test(skerryctl, apply_orders_by_reference_and_is_idempotent)
{
    expect(0, apply(cloud));
    cr_expect(strstr(err, "9 created, 0 changed, 0 left alone"), "%s", err);
    cr_expect(strstr(out, "logical-network/fabric created\n") == out, "%s", out);
    expect(0, apply(cloud));
    cr_expect(strstr(err, "0 created, 0 changed, 9 left alone"), "%s", err);
    expect(0, apply("{'kind': 'network-adapter', 'name': 'red/web/vm', 'ip_addresses': ['10.0.0.9']}"));
    cr_expect_str_eq(out, "network-adapter/red/web/vm changed\n");
    expect(0, ctl("get na -o json"));
    char *all = strdup(out);
    expect(0, ctl_reading(all, "apply -f -"));
    cr_expect(strstr(err, "0 created, 0 changed, 2 left alone"), "%s", err);
    free(all);
    expect(3, apply("{'kind': 'vm-network', 'name': 'green/web', 'logical_network': 'fabric'}"));
    cr_expect(strstr(err, "/tenant_id: There is no tenant named 'green'; skerryctl get tenants"), "%s", err);
    cr_expect_null(strstr(strstr(err, "named 'green'") + 1, "named 'green'"), "it is said once: %s", err);
    expect(0, ctl_reading("# a comment\nkind: tenant\nname: green\nlogical_networks: [fabric]\n---\n"
                          "kind: vm-network\nname: green/web\nlogical_network: fabric\n",
                          "apply -f -"));
    cr_expect(strstr(err, "2 created"), "%s", err);
    expect(0, ctl("get vm-networks -o yaml"));
    char *yaml = strdup(out);
    expect(0, ctl_reading(yaml, "apply -f -"));
    cr_expect(strstr(err, "0 created, 0 changed"), "%s", err);
    free(yaml);
    expect(2, ctl_reading("kind: tenant\nkind: tenant\n", "apply -f -"));
    cr_expect(strstr(err, "Standard input, line 2, column 1: this name stands twice"), "%s", err);
}

Test(skerryctl, diff_shows_what_apply_would_do)
{
    expect(1, ctl_reading("kind: tenant\nname: red\ndescription: ours\n", "diff -f -"));
    cr_expect(strstr(out, "+ tenant/red\n    description: ours\n"), "%s", out);
    expect(3, ctl("get tenant red"));
    expect(0, ctl_reading("kind: tenant\nname: red\ndescription: ours\n", "apply -f -"));
    expect(0, ctl_reading("kind: tenant\nname: red\ndescription: ours\n", "diff -f -"));
    cr_expect_str_empty(out);
    expect(1, ctl_reading("kind: tenant\nname: red\ndescription: theirs\n", "diff -f -"));
    cr_expect(strstr(out, "~ tenant/red\n    description: ours -> theirs\n"), "%s", out);
    cr_expect(strstr(err, "0 to create, 1 to change, 0 as they should be"), "%s", err);
}

static void write_editor(const char *script)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/editor", directory);
    cr_assert_eq(skr_file_replace(path, script, strlen(script), 0700), 0);
    setenv("EDITOR", path, 1);
    unsetenv("VISUAL");
    setenv("TMPDIR", directory, 1);
}

Test(skerryctl, edit_sends_what_was_changed)
{
    expect(0, ctl("create tenant red --description ours"));
    write_editor("#!/bin/sh\nsed -i 's/^description: ours$/description: theirs/' \"$1\"\n");
    expect(0, ctl("edit tenant red"));
    cr_expect_str_eq(out, "tenant/red changed\n");
    expect(0, ctl("edit tenant red"));
    cr_expect_str_eq(out, "tenant/red left alone\n");
    expect(0, ctl("get tenant red -o json"));
    cr_expect(strstr(out, "\"theirs\""), "%s", out);
    write_editor("#!/bin/sh\necho 'nosuch: 1' >> \"$1\"\n");
    cr_expect_neq(ctl("edit tenant red"), 0);
    char *kept = strstr(err, "kept in ");
    cr_assert(kept, "%s", err);
    kept += strlen("kept in ");
    kept[strcspn(kept, "\n")] = '\0';
    cr_expect_eq(access(kept, R_OK), 0, "%s", kept);
    write_editor("#!/bin/sh\nexit 3\n");
    cr_expect_neq(ctl("edit tenant red"), 0);
    cr_expect(strstr(err, "set EDITOR"), "%s", err);
}

Test(skerryctl, completion_offers_what_can_stand_there)
{
    expect(0, ctl("create tenant red"));
    expect(0, ctl("__complete -- ge"));
    cr_expect_str_eq(out, "get\n");
    expect(0, ctl("__complete -- get ten"));
    cr_expect_str_eq(out, "tenants\n");
    expect(0, ctl("__complete -- get tenants r"));
    cr_expect_str_eq(out, "red\n");
    expect(0, ctl("__complete -- get vm-subnets --vs"));
    cr_expect_str_eq(out, "--vsid\n");
    expect(0, ctl("__complete -- get vm-networks --tenant r"));
    cr_expect_str_eq(out, "red\n");
    expect(0, ctl("__complete -- create logical-network x --encapsulation v"));
    cr_expect_str_eq(out, "vxlan\n");
    expect(0, ctl("__complete -- act ip-pool x al"));
    cr_expect_str_eq(out, "allocate\n");
    expect(0, ctl("__complete -- host rev"));
    cr_expect_str_eq(out, "revoke\n");
    expect(0, ctl("completion bash"));
    cr_expect(strstr(out, "complete -o default"), "%s", out);
    expect(2, ctl("completion tcsh"));
}

Test(skerryctl, csv_goes_out_and_comes_back)
{
    expect(0, apply(cloud));
    expect(0, ctl("create ip-pool front-pool --vm-subnet red/web/front --subnet 10.0.0.0/24 --range-start 10.0.0.10 "
                  "--range-end 10.0.0.99 --reserved 10.0.0.20-10.0.0.29,10.0.0.40"));
    expect(0, ctl("get ip-pools -o csv"));
    cr_expect(strstr(out, "kind,name,description,labels,network_site_id,vm_subnet_id,subnet,range_start") == out, "%s",
              out);
    cr_expect(strstr(out, "red/web/front,10.0.0.0/24,10.0.0.10,10.0.0.99,\"10.0.0.20-10.0.0.29,10.0.0.40\""), "%s",
              out);
    char *csv = strdup(out);
    expect(0, ctl_reading(csv, "apply -f - --kind ip-pool"));
    cr_expect(strstr(err, "0 created, 0 changed, 1 left alone"), "%s", err);
    free(csv);
    expect(0, ctl_reading("name,vm_subnet,subnet,range_start,range_end\r\n"
                          "back,blue/web/front,10.0.0.0/24,10.0.0.10,10.0.0.99\r\n",
                          "apply -f - --kind ip-pool"));
    cr_expect(strstr(err, "1 created"), "%s", err);
    expect(2, ctl_reading("name,rage\nx,y\n", "apply -f - --kind ip-pool"));
    cr_expect(strstr(err, "Standard input, line 2, column rage"), "%s", err);
}

Test(skerryctl, the_controller_itself)
{
    expect(0, ctl("controller show"));
    cr_expect(strstr(out, "revision"), "%s", out);
    expect(4, ctl("controller accept-database")); /* nothing was put back */
    expect(2, ctl("controller show me"));
}

Test(skerryctl, top_looks_and_ends)
{
    expect(0, ctl("top --interval 10ms --count 2"));
    cr_expect(strstr(out, "HOST") && strstr(out, "DROPPED/S"), "%s", out);
    expect(2, ctl("top --count none"));
}

Test(skerryctl, explain_says_why)
{
    expect(0, apply(cloud));
    expect(1, ctl("explain red/web/vm 10.0.0.77"));
    cr_expect(strstr(out, "red/web/vm is unbound: it is on no host"), "%s", out);
    cr_expect(strstr(out, "red/web/vm cannot reach 10.0.0.77"), "%s", out);
    expect(1, ctl("explain red/web/vm 10.0.0.77 -o json"));
    cr_expect(strstr(out, "\"reaches\": \"no\""), "%s", out);
    expect(3, ctl("explain red/web/vm red/web/nobody"));
    expect(2, ctl("explain red/web/vm 10.0.0.77 --port 0"));
}

Test(skerryctl, actions_come_from_the_tables)
{
    expect(2, ctl("act ip-pool x alocate"));
    cr_expect(strstr(err, "did you mean 'allocate'?"), "%s", err);
    expect(2, ctl("act tenant red explode"));
    cr_expect(strstr(err, "has no action"), "%s", err);
    expect(3, ctl("act ip-pool x allocate"));
}

Test(skerryctl, flags_that_cannot_be_right_write_nothing)
{
    expect(2, ctl("create tenant red --timeout 5s"));
    cr_expect(strstr(err, "--timeout goes with --wait"), "%s", err);
    expect(2, ctl("create tenant red --wait --timeout soon"));
    expect(3, ctl("get tenant red"));
}

Test(skerryctl, dry_runs_change_nothing)
{
    char json[4096];
    snprintf(json, sizeof(json), "%s", cloud);
    for (char *c = json; *c; c++)
        if (*c == '\'')
            *c = '"';
    expect(0, ctl_reading(json, "apply --dry-run -f -"));
    cr_expect(strstr(out, "network-adapter/vm created (dry run)"), "%s", out);
    expect(0, ctl("get tenants"));
    cr_expect_str_eq(out, "");
    cr_expect_str_eq(err, "No tenants\n");
}

Test(skerryctl, create_get_and_delete)
{
    expect(0, ctl("create ln fabric --network-virtualization"));
    expect(0, ctl("create tenant red --logical-networks fabric --labels a=b"));
    expect(4, ctl("create tenant red"));
    expect(0, ctl("create vm-network red/web --logical-network fabric --wait"));
    cr_expect_str_eq(out, "vm-network/red/web created\n");
    expect(0, ctl("create vm-subnet red/web/front --prefix 10.0.0.0/24 -o json"));
    json_t *subnet = json_loads(out, 0, NULL);
    cr_expect_str_eq(json_string_value(json_object_get(subnet, "prefix")), "10.0.0.0/24");
    expect(0, ctl("get vms %s -o name", json_string_value(json_object_get(subnet, "id"))));
    cr_expect_str_eq(out, "vm-subnet/red/web/front\n");
    json_decref(subnet);
    expect(2, ctl("create vm-subnet red/web/back --prefix 10.0.0.1/24"));
    cr_expect(strstr(err, "\n  /prefix: "), "%s", err);
    expect(2, ctl("create vm-subnet red/web/back --prefx 10.0.1.0/24"));
    cr_expect(strstr(err, "did you mean 'prefix'?"), "%s", err);
    expect(0, ctl("get vmn --tenant red"));
    cr_expect(strstr(out, "TENANT  NAME  LOGICAL NETWORK"), "%s", out);
    cr_expect(strstr(out, "red     web   fabric"), "%s", out);
    expect(0, ctl("get vmn red/web -o yaml"));
    cr_expect_eq(strncmp(out, "kind: vm-network\n", 17), 0, "%s", out);
    expect(0, ctl("describe tenant red"));
    cr_expect(strstr(out, "labels:\n  a: b\n"), "%s", out);
    expect(4, ctl("delete tenant red"));
    expect(0, ctl("delete vms/red/web/front vmn/red/web --wait"));
    cr_expect_str_eq(out, "vm-subnet/red/web/front deleted\nvm-network/red/web deleted\n");
    expect(0, ctl("delete tenant red --dry-run"));
    expect(0, ctl("get tenant red"));
    expect(0, ctl("delete tenant red"));
    expect(3, ctl("get tenant red"));
    expect(3, ctl("delete tenant red"));
}

Test(skerryctl, wait_and_watch)
{
    expect(0, apply(cloud));
    expect(0, ctl("wait vmn red/web"));
    cr_expect_str_eq(out, "vm-network/red/web realized\n");
    expect(0, ctl("create na red/web/nowhere --vm-subnet front --wait"));
    cr_expect(strstr(err, "nowhere: no host needs it"), "a wait that ends at once says why: %s", err);
    expect(7, ctl("wait na red/web/nowhere --timeout 300ms"));
    cr_expect(strstr(err, "on no host"), "what is nowhere is not realized: %s", err);
    expect(0, ctl("get na red/web/nowhere"));
    cr_expect(strstr(out, "unplaced"), "%s", out);
    expect(7, ctl("wait na red/web/vm --for bound --timeout 300ms"));
    expect(7, ctl("wait na red/web/vm --for deleted --timeout 300ms"));
    expect(2, ctl("wait tenant red --for bound"));
    expect(0, ctl("wait na red/web/none --for deleted"));
    expect(0, ctl("watch na -o name --timeout 300ms"));
    cr_expect(strstr(out, "list network-adapter/red/web/vm\n"), "%s", out);
    expect(0, ctl("watch na red/web/vm --timeout 300ms"));
    cr_expect(strstr(out, "EVENT  TENANT"), "%s", out);
    expect(0, ctl("delete na red/web/vm"));
    expect(0, ctl("wait na red/web/vm --for deleted"));
}

static void *delete_later(void *arg)
{
    char *argv[] = {SKR_BUILD_DIR "/skerryctl", "delete", "na", "red/web/vm", NULL};
    int status;
    poll(NULL, 0, 300); /* the waiter looks first; either order ends well */
    pid_t pid = start("/dev/null", "/dev/null", "/dev/null", argv);
    waitpid(pid, &status, 0);
    *(int *)arg = WEXITSTATUS(status);
    return NULL;
}

Test(skerryctl, waiting_for_a_delete_hears_of_it)
{
    pthread_t thread;
    int deleted = -1;
    expect(0, apply(cloud));
    cr_assert_eq(pthread_create(&thread, NULL, delete_later, &deleted), 0);
    expect(0, ctl("wait na red/web/vm --for deleted --timeout 30s"));
    pthread_join(thread, NULL);
    cr_expect_eq(deleted, 0);
    cr_expect_str_eq(out, "network-adapter/red/web/vm deleted\n");
}

Test(skerryctl, hosts)
{
    expect(0, ctl("host join-command --ttl 10m --uses 3 --approve"));
    cr_expect_eq(strncmp(out, "skerry-agent join 'skerry://127.0.0.1:", 38), 0, "%s", out);
    expect(0, ctl("get join-tokens -o json"));
    cr_expect(strstr(out, "\"ttl_s\": 600") && strstr(out, "\"uses\": 3") && strstr(out, "\"approve\": true"), "%s",
              out);
    expect(2, ctl("host join-command --ttl tomorrow"));
    expect(3, ctl("host join-command --host-group nowhere"));
    expect(0, ctl("host list"));
    expect(3, ctl("host remediate h1"));
    expect(0, ctl("create token mine"));
    cr_expect(strstr(out, "token/mine created\n"), "%s", out);
    cr_expect_eq(strcspn(strchr(out, '\n') + 1, "."), 36, "the whole token, once: %s", out);
}

Test(skerryctl, when_nobody_answers)
{
    kill(controller, SIGTERM);
    int status;
    waitpid(controller, &status, 0);
    expect(6, ctl("get tenants"));
    controller = fork();
    if (controller == 0)
        _exit(0);
}

/* ---- beside a controller ---- */

static void make_directory(void)
{
    snprintf(directory, sizeof(directory), "/tmp/skerry-cli-XXXXXX");
    cr_assert(mkdtemp(directory));
    setenv("HOME", directory, 1);
    unsetenv("XDG_CONFIG_HOME");
}

static void remove_directory(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -r '%s'", directory);
    cr_expect_eq(system(command), 0);
}

TestSuite(skerryctl_alone, .init = make_directory, .fini = remove_directory);

Test(skerryctl_alone, help_and_mistakes)
{
    expect(0, ctl("--version"));
    cr_expect_eq(strncmp(out, "skerryctl ", 10), 0);
    expect(0, ctl("help"));
    cr_expect(strstr(out, "Commands:") && strstr(out, "vm-networks"), "%s", out);
    expect(0, ctl("help apply"));
    expect(0, ctl("help vm-subnet"));
    cr_expect(strstr(out, "prefix") && strstr(out, "fixed at create"), "%s", out);
    expect(0, ctl("help host"));
    cr_expect(strstr(out, "host join-command") && strstr(out, "host local"), "%s", out);
    expect(0, ctl("get --help"));
    expect(2, ctl("help nothing-like-it"));
    expect(2, ctl("edti tenant red"));
    cr_expect_str_eq(out, "");
    cr_expect(strstr(err, "there is no command 'edti'; did you mean 'edit'?") && strstr(err, "apply"), "%s", err);
    expect(2, ctl("get"));
    expect(2, ctl("get tenats"));
    expect(2, ctl("get tenants -o xml"));
    expect(5, ctl("get tenants"));
    expect(2, ctl("login http://127.0.0.1"));
    expect(6, ctl("host local status --socket %s/none", directory));
    expect(2, ctl("host local statsu"));
    expect(2, ctl("host local ping-pa"));
}

struct agent {
    int listener;
    const char *answer;
    char question[256];
};

static void *answer_once(void *arg)
{
    struct agent *agent = arg;
    int fd = accept(agent->listener, NULL, NULL);
    FILE *stream = fdopen(fd, "r+");
    if (fgets(agent->question, sizeof(agent->question), stream)) {
        fseek(stream, 0, SEEK_CUR);
        fprintf(stream, "%s\n", agent->answer);
    }
    fclose(stream);
    return NULL;
}

/* Asks an agent that answers this; its question is kept. */
static int ask(struct agent *agent, const char *answer, const char *words)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pthread_t thread;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/agent.sock", directory);
    unlink(address.sun_path);
    agent->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    agent->answer = answer;
    cr_assert_eq(bind(agent->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(agent->listener, 1), 0);
    cr_assert_eq(pthread_create(&thread, NULL, answer_once, agent), 0);
    int code = ctl("host local %s --socket %s", words, address.sun_path);
    pthread_join(thread, NULL);
    close(agent->listener);
    return code;
}

Test(skerryctl_alone, what_the_agent_says)
{
    struct agent agent = {0};
    static const char drift[] = "{\"items\":[{\"object_kind\":\"filter\",\"found\":\"none\"}]}";
    expect(0, ask(&agent, drift, "drift -o json"));
    cr_expect_str_eq(agent.question, "{\"command\":\"drift\"}\n");
    cr_expect_eq(strncmp(out, drift, strlen(drift)), 0, "verbatim: %s", out);
    expect(0, ask(&agent, drift, "drift"));
    cr_expect_str_eq(out, "OBJECT KIND  FOUND\nfilter       none\n");
    expect(0, ask(&agent, "{\"items\":[],\"truncated\":false}", "records --vsid 5000"));
    cr_expect_str_eq(agent.question, "{\"command\":\"records\",\"vsid\":5000}\n");
    cr_expect_str_eq(err, "No records\n");
    expect(1, ask(&agent, "{\"address\":\"10.1.0.2\",\"answered\":false}", "ping-pa 10.1.0.2"));
    cr_expect_str_eq(agent.question, "{\"command\":\"ping-pa\",\"address\":\"10.1.0.2\"}\n");
    expect(3, ask(&agent, "{\"error\":{\"tag\":\"not-found\",\"detail\":\"No.\"}}", "routes"));
    cr_expect_str_eq(err, "skerryctl: No.\n");
    expect(1, ask(&agent, "nonsense", "status"));
}

Test(skerryctl, pools_and_allocations_move_to_another_controller_as_csv)
{
    static const char *const kinds[] = {"get ip-pools -o csv", "get ip-allocations --purpose manual -o csv",
                                        "get ip-allocations --purpose vip -o csv"};
    char *csv[SKR_ARRAY_SIZE(kinds)];
    expect(0, apply(cloud));
    expect(0, ctl("create ip-pool front-pool --vm-subnet red/web/front --subnet 10.0.0.0/24 --range-start 10.0.0.10 "
                  "--range-end 10.0.0.99 --reserved 10.0.0.20-10.0.0.29 --vip-reserved 10.0.0.40-10.0.0.49"));
    expect(0, ctl("create ip-allocation 10.0.0.50 --ip-pool front-pool --description printer"));
    expect(0, ctl("act ip-pool front-pool allocate --address 10.0.0.60"));
    expect(0, ctl("act ip-pool front-pool allocate --kind vip"));
    for (size_t i = 0; i < SKR_ARRAY_SIZE(kinds); i++) {
        expect(0, ctl("%s", kinds[i]));
        csv[i] = strdup(out);
    }
    cr_expect(strstr(csv[1], "printer") && strstr(csv[1], "10.0.0.60"), "%s", csv[1]);
    close_scene();
    open_scene();
    expect(0, apply(cloud));
    for (size_t i = 0; i < SKR_ARRAY_SIZE(kinds); i++) {
        expect(1, ctl_reading(csv[i], i ? "diff -f - --kind ip-allocation" : "diff -f - --kind ip-pool"));
        expect(0, ctl_reading(csv[i], i ? "apply -f - --kind ip-allocation" : "apply -f - --kind ip-pool"));
        cr_expect(strstr(err, i == 1 ? "2 created" : "1 created"), "%s", err);
        expect(0, ctl_reading(csv[i], i ? "diff -f - --kind ip-allocation" : "diff -f - --kind ip-pool"));
    }
    expect(0, ctl("get ip-allocation 10.0.0.50 -o json"));
    cr_expect(strstr(out, "printer"), "%s", out);
    expect(0, ctl("delete ip-allocation 10.0.0.50"));
    for (size_t i = 0; i < SKR_ARRAY_SIZE(kinds); i++)
        free(csv[i]);
}

Test(skerryctl, ipam_finds_and_sums_up)
{
    expect(0, apply(cloud));
    expect(0, ctl("create ip-pool front-pool --vm-subnet red/web/front --subnet 10.0.0.0/24 --range-start 10.0.0.10 "
                  "--range-end 10.0.0.29"));
    expect(0, ctl("create ip-allocation 10.0.0.12 --ip-pool front-pool"));
    expect(0, apply("{'kind': 'network-adapter', 'name': 'red/web/vm', 'ip_addresses': ['10.0.0.13']}"));
    expect(0, apply("{'kind': 'network-adapter', 'name': 'red/web/vm', 'ip_addresses': ['10.0.0.14']}"));
    expect(0, ctl("ipam find 10.0.0.13"));
    cr_expect(strstr(out, "network-adapter") && strstr(out, "red/web/front") && !strstr(out, "now"), "%s", out);
    expect(0, ctl("ipam find 10.0.0.14"));
    cr_expect(strstr(out, "now"), "%s", out);
    expect(0, ctl("ipam find 10.0.0.99"));
    cr_expect(strstr(err, "Nobody holds 10.0.0.99"), "%s", err);
    cr_expect_neq(ctl("ipam find nonsense"), 0);
    expect(2, ctl("ipam find"));
    expect(0, ctl("ipam utilization"));
    cr_expect(strstr(out, "vm-subnet") && strstr(out, "red/web/front") && strstr(out, "10%"), "%s", out);
    expect(0, ctl("ipam utilization -o json"));
    cr_expect(strstr(out, "\"allocated\": \"2\""), "%s", out);
    expect(0, ctl("ipam overlaps --tenant red"));
    cr_expect(strstr(err, "Nothing overlaps"), "%s", err);
}

Test(skerryctl, lists_with_named_entries_go_out_and_come_back)
{
    expect(0, apply("{'items': [{'kind': 'tenant', 'name': 'red'}, {'kind': 'access-control-list', 'name': 'web', "
                    "'tenant': 'red', 'rules': [{'name': 'a', 'direction': 'in', 'action': "
                    "'allow'}]}]}"));
    expect(0, ctl("get access-control-lists -o yaml"));
    char *yaml = strdup(out);
    cr_expect(strstr(yaml, "direction: in"), "%s", yaml);
    expect(0, ctl_reading(yaml, "apply -f -"));
    cr_expect(strstr(err, "0 created, 0 changed, 1 left alone"), "%s", err);
    expect(0, ctl("delete access-control-list web"));
    expect(0, ctl_reading(yaml, "apply -f -"));
    cr_expect(strstr(err, "1 created"), "%s", err);
    free(yaml);
}

/* As a tenant whose quota is one request a second, and two saved up. */
Test(skerryctl, what_is_refused_as_too_many_is_sent_again_in_time)
{
    char token[128];
    expect(0, ctl("create tenant red --quotas {\"requests_per_second\":1}"));
    expect(0, ctl("create token red-ci --role tenant-viewer --tenant red"));
    const char *secret = strchr(out, '\n');
    cr_assert(secret && sscanf(secret, "%127s", token) == 1, "%s", out);
    expect(0, ctl_reading(token, (snprintf(err, 200, "login %s --ca %s/data/ca.pem", url, directory), err)));
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    for (int i = 0; i < 4; i++)
        expect(0, ctl("get vm-networks"));
    clock_gettime(CLOCK_MONOTONIC, &after);
    cr_expect_geq(after.tv_sec - before.tv_sec, 1, "each in its turn");
    int code = 0;
    for (int i = 0; i < 4 && code == 0; i++)
        code = ctl("wait tenant red --timeout 100ms");
    cr_expect_eq(code, 5, "not in that time: %d", code);
    cr_expect(strstr(err, "requests_per_second of 1") && strstr(err, "(Retry-After: 1 s)"), "%s", err);
}
