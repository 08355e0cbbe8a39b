/* rooms: controller/api */
/* GET /v1/watch and lists with watch=true over a real change log, as tests/fuzz/request.h writes them. A query is
 * refused with a reason, or the stream begins with events whose data is JSON. */
#include "controller/api/watch.h"
#include "tests/fuzz/database.h"
#include "tests/fuzz/request.h"

#define ROOM (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct skr_api api;
static MHD_ContentReaderCallback read_stream;
static void *stream;

/* Stands before the library's: the target reads the stream itself. */
struct MHD_Response *MHD_create_response_from_callback(uint64_t size, size_t block, MHD_ContentReaderCallback reader,
                                                       void *arg, MHD_ContentReaderFreeCallback done)
{
    (void)size, (void)block, (void)done;
    read_stream = reader;
    stream = arg;
    return MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
}

static void check_events(char *text)
{
    unsigned events = 0;
    char *line;
    while ((line = strsep(&text, "\n"))) {
        events += strncmp(line, "event: ", 7) == 0;
        if (strncmp(line, "data: ", 6) != 0)
            continue;
        json_t *json = json_loads(line + 6, JSON_REJECT_DUPLICATES, NULL);
        must(json_is_object(json), line);
        json_decref(json);
    }
    must(events > 0, "a stream without its first bookmark");
}

static void free_watch(struct skr_watch *watch)
{
    for (unsigned i = 0; i < watch->filter_count; i++)
        skr_value_clear(&watch->filters[i].value);
    skr_http_fields_done(&watch->fields);
    free(watch->text);
    free(watch);
}

static void try_watch(struct skr_http_request *request)
{
    static char text[ROOM + 1];
    stream = NULL;
    skr_http_watch(request);
    must((request->error.tag != SKR_ERROR_NONE) == !stream, "neither refused nor begun");
    if (request->error.tag)
        need_reason(&request->error);
    if (!stream)
        return;
    ssize_t size = read_stream(stream, 0, text, ROOM);
    must(size > 0, "the first reading finds a bookmark");
    text[size] = '\0';
    check_events(text);
    free_watch(stream);
}

static void set_up(void)
{
    open_store();
    api.store = store;
    must(skr_realization_table_new(&api.realizations) == 0, "no table");
    api.deadlines = (struct skr_api_deadlines){.bookmark = 15000, .sse_write = 30000};
    skr_http_pools_new(api.pools);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct skr_http_peer peer = {.fd = -1, .references = 1, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct skr_http_request *request = calloc(1, sizeof(*request));
    struct skr_error error = {0};
    char *text = malloc(size + 1);
    if (!store)
        set_up();
    api.watches = skr_http_watches_new();
    if (!request || !text)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    char *rest = text, *path = strsep(&rest, "\n");
    *request = (struct skr_http_request){
            .references = 1, .api = &api, .peer = &peer, .method = SKR_HTTP_GET, .principal.role = take_role(&path)};
    if (request->principal.role == SKR_ROLE_TENANT || request->principal.role == SKR_ROLE_VIEWER)
        request->principal.tenant_id = tenant_id;
    peer.api = &api;
    int r = skr_route_find(path, &request->route, &error);
    if (r == 0 && skr_http_authorize(&request->principal, &request->route, SKR_HTTP_GET, &error) == 0) {
        read_parameters(request, &rest);
        if (request->route.kind == SKR_ROUTE_COLLECTION ||
            (request->route.kind == SKR_ROUTE_FIXED && request->route.fixed->handle == skr_http_watch))
            try_watch(request);
    }
    if (request->response)
        MHD_destroy_response(request->response);
    for (int i = 0; i < SKR_HTTP_POOL_COUNT; i++)
        skr_http_let_go(request, (enum skr_http_pool_id)i);
    skr_http_watches_free(api.watches);
    free(text);
    free(request);
    return 0;
}
