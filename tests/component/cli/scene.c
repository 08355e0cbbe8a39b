#include "tests/component/cli/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <skerry/file.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <pty.h>

char directory[64], url[96], out[OUTPUT_MAX], err[OUTPUT_MAX];
pid_t controller;

pid_t start(const char *out_path, const char *err_path, const char *in_path, char *const *argv)
{
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fds[3] = {open(in_path, O_RDONLY), open(out_path, O_WRONLY | O_CREAT | O_TRUNC, 0600),
                  open(err_path, O_WRONLY | O_CREAT | O_TRUNC, 0600)};
    for (int i = 0; i < 3; i++)
        dup2(fds[i], i);
    execv(argv[0], argv);
    _exit(127);
}

void read_into(const char *path, char *ret)
{
    uint8_t *data = NULL;
    size_t size = 0;
    cr_assert_eq(skr_file_read(path, OUTPUT_MAX - 1, &data, &size), 0, "%s", path);
    memcpy(ret, data, size + 1);
    free(data);
}

/* Runs skerryctl with words split at spaces; what it read, wrote and said is in `out` and `err`. */
int ctl_reading(const char *in, const char *words)
{
    char *copy = strdup(words), *rest = copy, *argv[32] = {SKR_BUILD_DIR "/skerryctl"};
    char out_path[128], err_path[128], in_path[128];
    int argc = 1, status = 0;
    while ((argv[argc] = strsep(&rest, " ")) && argc < 31)
        argc++;
    snprintf(out_path, sizeof(out_path), "%s/out", directory);
    snprintf(err_path, sizeof(err_path), "%s/err", directory);
    snprintf(in_path, sizeof(in_path), "%s/in", directory);
    cr_assert_eq(skr_file_replace(in_path, in, strlen(in), 0600), 0);
    pid_t pid = start(out_path, err_path, in_path, argv);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status), "%s", words);
    free(copy);
    read_into(out_path, out);
    read_into(err_path, err);
    cr_expect_null(strstr(err, "Sanitizer"), "%s", err);
    return WEXITSTATUS(status);
}

int ctl(const char *format, ...)
{
    char words[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    return ctl_reading("", words);
}

int apply(const char *manifest)
{
    char json[4096];
    snprintf(json, sizeof(json), "%s", manifest);
    for (char *c = json; *c; c++)
        if (*c == '\'')
            *c = '"';
    return ctl_reading(json, "apply -f -");
}

/* A port that was free a moment ago. */
static int free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_storage address = {.ss_family = AF_INET};
    socklen_t size = sizeof(address);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, 16), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return (((unsigned char *)&address)[2] << 8) + ((unsigned char *)&address)[3];
}

/* The token's file is the last thing written before requests are answered. */
static void wait_for_token(int notify, const char *path)
{
    for (int rounds = 0; rounds < 200 && access(path, R_OK) != 0; rounds++) {
        struct pollfd poll_fd = {.fd = notify, .events = POLLIN};
        char events[4096];
        cr_assert_gt(poll(&poll_fd, 1, 30000), 0, "the controller did not start");
        cr_assert_gt(read(notify, events, sizeof(events)), 0);
    }
}

static char data[128], api[64], agents[64];

void start_controller_with(unsigned user, const char *flag)
{
    char log[128], uid[32], gid[32];
    snprintf(log, sizeof(log), "%s/log", directory);
    snprintf(uid, sizeof(uid), "--reuid=%u", user);
    snprintf(gid, sizeof(gid), "--regid=%u", user);
    char *argv[] = {"/usr/bin/setpriv",
                    "--clear-groups",
                    "--pdeathsig=KILL",
                    uid,
                    gid,
                    SKR_BUILD_DIR "/skerry-controller",
                    "--data-directory",
                    data,
                    "--api-listen",
                    api,
                    "--agent-listen",
                    agents,
                    "--agent-address",
                    agents,
                    (char *)(uintptr_t)flag,
                    NULL};
    controller = start(log, log, "/dev/null", user ? argv : argv + 5);
}

void start_controller(void)
{
    start_controller_with(0, NULL);
}

void end_controller(int signal_number)
{
    int status;
    kill(controller, signal_number);
    cr_assert_eq(waitpid(controller, &status, 0), controller);
    if (signal_number == SIGTERM)
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the controller ended with %d", status);
}

int when_it_answers(const char *words)
{
    int r = 6;
    for (int tries = 0; tries < 100 && r == 6; tries++) { /* the socket listens right behind the file */
        r = ctl("%s", words);
        if (r == 6)
            poll(NULL, 0, 50);
    }
    return r;
}

void open_scene(void)
{
    char token[160], login[512];
    snprintf(directory, sizeof(directory), "/tmp/skerry-cli-XXXXXX");
    cr_assert(mkdtemp(directory));
    setenv("HOME", directory, 1);
    unsetenv("XDG_CONFIG_HOME");
    snprintf(data, sizeof(data), "%s/data", directory);
    snprintf(api, sizeof(api), "127.0.0.1:%d", free_port());
    snprintf(agents, sizeof(agents), "127.0.0.1:%d", free_port());
    snprintf(url, sizeof(url), "https://%s", api);
    cr_assert_eq(mkdir(data, 0700), 0);
    int notify SKR_CLEANUP(skr_close_cleanup) = inotify_init1(IN_CLOEXEC);
    cr_assert_geq(inotify_add_watch(notify, data, IN_CREATE | IN_MOVED_TO), 0);
    start_controller();
    snprintf(token, sizeof(token), "%s/admin.token", data);
    wait_for_token(notify, token);
    snprintf(login, sizeof(login), "login %s --ca %s/ca.pem --token-file %s", url, data, token);
    cr_assert_eq(when_it_answers(login), 0, "%s", err);
}

void close_scene(void)
{
    char command[128];
    end_controller(SIGTERM);
    snprintf(command, sizeof(command), "rm -r '%s'", directory);
    cr_expect_eq(system(command), 0);
}

const char cloud[] =
        "{'items': [{'kind': 'network-adapter', 'name': 'red/web/vm', 'vm_subnet': 'front', 'mac': '02:AA:00:00:00:01',"
        "  'ip_addresses': ['10.0.0.2']},"
        " {'kind': 'network-adapter', 'name': 'blue/web/vm', 'vm_subnet': 'front', 'ip_addresses': ['10.0.0.2']},"
        " {'kind': 'vm-subnet', 'name': 'red/web/front', 'prefix': '10.0.0.0/24'},"
        " {'kind': 'vm-subnet', 'name': 'front', 'vm_network': 'blue/web', 'prefix': '10.0.0.0/24'},"
        " {'kind': 'vm-network', 'name': 'red/web', 'logical_network': 'fabric'},"
        " {'kind': 'vm-network', 'name': 'web', 'tenant': 'blue', 'logical_network': 'fabric'},"
        " {'kind': 'tenant', 'name': 'red', 'logical_networks': ['fabric']},"
        " {'kind': 'tenant', 'name': 'blue', 'logical_networks': ['fabric']},"
        " {'kind': 'logical-network', 'name': 'fabric', 'network_virtualization': true}]}";

/* ---- on a terminal ---- */

int ctl_on_terminal(const char *words)
{
    return ctl_answering("", words);
}

static void answer_prompt(int terminal, const char **answers)
{
    size_t length = strcspn(*answers, "\n");
    bool asked = strlen(out) > 2 && strcmp(out + strlen(out) - 2, ": ") == 0;
    if (!asked || !**answers)
        return;
    cr_assert_eq(write(terminal, *answers, length + 1), (ssize_t)length + 1);
    *answers += length + 1;
}

int ctl_answering(const char *answers, const char *words)
{
    char *copy = strdup(words), *rest = copy, *argv[32] = {SKR_BUILD_DIR "/skerryctl"};
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    int argc = 1, terminal, status = 0;
    size_t used = 0;
    while ((argv[argc] = strsep(&rest, " ")) && argc < 31)
        argc++;
    pid_t pid = forkpty(&terminal, NULL, NULL, &size);
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(argv[0], argv);
        _exit(127);
    }
    for (ssize_t got; used < OUTPUT_MAX - 1 && (got = read(terminal, out + used, OUTPUT_MAX - 1 - used)) > 0;) {
        used += (size_t)got;
        out[used] = '\0';
        answer_prompt(terminal, &answers);
    }
    out[used] = '\0';
    close(terminal);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    free(copy);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
