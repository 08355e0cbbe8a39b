#include "agent/diag/diag.h"
#include "agent/desired/arena.h"
#include "agent/diag/private.h"
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <libgen.h>
#include <skerry/file.h>
#include <skerry/macros.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <utlist.h>

#define CLIENT_IDLE_S 30

struct client {
    struct client *prev, *next;
    struct skr_diag *diag;
    struct bufferevent *bev;
    struct skr_diag_ping *ping; /* an answer is on its way: no further request is read */
};

struct skr_diag {
    struct skr_diag_options options;
    char *path;
    struct evconnlistener *listener;
    struct client *clients;
    unsigned client_count;
};

json_t *skr_diag_error(const char *tag, const char *detail)
{
    return json_pack("{s:{s:s,s:s}}", "error", "tag", tag, "detail", detail);
}

const char *skr_diag_interface(const struct skr_diag_options *options, uint32_t ifindex)
{
    const struct skr_host_interface *interface =
            options->host && ifindex ? skr_host_interface(options->host, ifindex) : NULL;
    return interface ? interface->name : "";
}

/* ---- requests ---- */

static json_t *tell_drift(const struct skr_diag_options *options, const json_t *request)
{
    (void)request;
    return options->drift ? options->drift(options->arg) : json_pack("{s:[]}", "items");
}

static json_t *tell_status(const struct skr_diag_options *options, const json_t *request)
{
    (void)request;
    json_t *status = options->status ? options->status(options->arg) : json_object();
    json_object_set_new(status, "fastpath", json_string(options->fastpath->ops->name));
    return status;
}

static json_t *release(const struct skr_diag_options *options, const json_t *request)
{
    const char *interface = json_string_value(json_object_get(request, "interface"));
    struct skr_error error = {0};
    if (!interface || !options->release)
        return skr_diag_error("syntax", "release takes the name of an \"interface\".");
    if (options->release(options->arg, interface, &error) < 0)
        return skr_diag_error(skr_error_tag_info(error.tag)->name, error.detail);
    return json_pack("{s:s}", "released", interface);
}

static const struct {
    const char *name;
    json_t *(*answer)(const struct skr_diag_options *options, const json_t *request);
} commands[] = {
        {"records", skr_diag_records}, {"routes", skr_diag_routes},
        {"ports", skr_diag_ports},     {"provider-addresses", skr_diag_provider_addresses},
        {"stats", skr_diag_stats},     {"drift", tell_drift},
        {"status", tell_status},       {"release", release},
};

static void reply(struct client *client, json_t *answer)
{
    SKR_CLEANUP(skr_free_cleanup) char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    json_decref(answer);
    const char *line = text ? text : "{\"error\":{\"tag\":\"internal\",\"detail\":\"The answer cannot be written.\"}}";
    bufferevent_write(client->bev, line, strlen(line));
    bufferevent_write(client->bev, "\n", 1);
}

static void read_requests(struct client *client);

static void on_ping(void *arg, json_t *answer)
{
    struct client *client = arg;
    client->ping = NULL;
    reply(client, answer);
    read_requests(client);
}

static void answer(struct client *client, const char *line, size_t size)
{
    const struct skr_diag_options *options = &client->diag->options;
    json_error_t syntax;
    json_t *request = json_loadb(line, size, JSON_REJECT_DUPLICATES, &syntax), *out = NULL;
    const char *command = json_string_value(json_object_get(request, "command"));
    if (!request || !command) {
        out = skr_diag_error("syntax", "A request is one JSON object with a \"command\" on one line.");
    } else if (strcmp(command, "ping-pa") == 0) {
        struct skr_error error = {0};
        if (skr_diag_ping(options, request, on_ping, client, &client->ping, &error) < 0)
            out = skr_diag_error(skr_error_tag_info(error.tag)->name, error.detail);
    } else {
        for (size_t i = 0; i < SKR_ARRAY_SIZE(commands) && !out; i++)
            if (strcmp(commands[i].name, command) == 0)
                out = commands[i].answer(options, request);
        if (!out)
            out = skr_diag_error("not-found", "There is no such command; known are records, routes, ports, "
                                              "provider-addresses, stats, drift, status, ping-pa and release.");
    }
    json_decref(request);
    if (out)
        reply(client, out);
}

/* ---- connections ---- */

static void client_free(struct client *client)
{
    DL_DELETE(client->diag->clients, client);
    client->diag->client_count--;
    skr_diag_ping_free(client->ping);
    bufferevent_free(client->bev);
    free(client);
}

static void read_requests(struct client *client)
{
    struct evbuffer *input = bufferevent_get_input(client->bev);
    while (!client->ping) {
        size_t size;
        char *line = evbuffer_readln(input, &size, EVBUFFER_EOL_LF);
        if (!line)
            break;
        answer(client, line, size);
        free(line);
    }
    if (!client->ping && evbuffer_get_length(input) > SKR_DIAG_REQUEST_MAX)
        client_free(client);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    (void)bev;
    read_requests(arg);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    (void)what;
    client_free(arg);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int size,
                      void *arg)
{
    struct skr_diag *diag = arg;
    struct timeval idle = {.tv_sec = CLIENT_IDLE_S};
    (void)listener;
    (void)address;
    (void)size;
    struct bufferevent *bev = diag->client_count < SKR_DIAG_CLIENTS_MAX
                                      ? bufferevent_socket_new(diag->options.base, fd, BEV_OPT_CLOSE_ON_FREE)
                                      : NULL;
    if (!bev) {
        close(fd);
        return;
    }
    struct client *client = skr_must(calloc(1, sizeof(*client)));
    client->diag = diag;
    client->bev = bev;
    DL_APPEND(diag->clients, client);
    diag->client_count++;
    bufferevent_setcb(bev, on_read, NULL, on_event, client);
    bufferevent_setwatermark(bev, EV_READ, 0, (size_t)2 * SKR_DIAG_REQUEST_MAX);
    bufferevent_set_timeouts(bev, &idle, &idle);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static int make_directory(const char *path)
{
    SKR_CLEANUP(skr_free_cleanup) char *copy = skr_must(strdup(path));
    return skr_directory_make(dirname(copy), 0755);
}

/* A socket that was left by a killed agent goes; one where somebody answers, and anything else under that name, stays.
 */
static int remove_stale(const char *path, const struct sockaddr_un *address)
{
    SKR_CLEANUP(skr_close_cleanup) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat there;
    if (lstat(path, &there) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(there.st_mode))
        return -EEXIST;
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
        return -EADDRINUSE;
    return unlink(path) < 0 ? -errno : 0;
}

static int listen_on(struct skr_diag *diag)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(diag->path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, diag->path, strlen(diag->path) + 1);
    int r = make_directory(diag->path);
    if (r == 0)
        r = remove_stale(diag->path, &address);
    if (r < 0)
        return r;
    SKR_CLEANUP(skr_close_cleanup) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    mode_t before = umask(0177);
    r = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    umask(before);
    if (r < 0)
        return r;
    diag->listener = evconnlistener_new(diag->options.base, on_accept, diag, LEV_OPT_CLOSE_ON_FREE, 16, fd);
    if (!diag->listener)
        return -errno;
    skr_take_fd(&fd);
    return 0;
}

int skr_diag_new(const struct skr_diag_options *options, struct skr_diag **ret, struct skr_error *error)
{
    struct skr_diag *diag = skr_must(calloc(1, sizeof(*diag)));
    diag->options = *options;
    diag->path = skr_must(strdup(options->path));
    int r = listen_on(diag);
    if (r < 0) {
        skr_error_set(error, SKR_ERROR_STORAGE, "The socket %s cannot be made: %s.", options->path, strerror(-r));
        skr_diag_free(diag);
        return r;
    }
    *ret = diag;
    return 0;
}

void skr_diag_free(struct skr_diag *diag)
{
    if (!diag)
        return;
    struct client *client, *next;
    DL_FOREACH_SAFE(diag->clients, client, next)
    client_free(client);
    if (diag->listener) {
        evconnlistener_free(diag->listener);
        unlink(diag->path);
    }
    free(diag->path);
    free(diag);
}
