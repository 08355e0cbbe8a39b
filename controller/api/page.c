#include "controller/api/http.h"

#include <string.h>

/* The page brings all it needs, so a browser is to run and load nothing else, whatever gets into the page. */
static const struct {
    const char *name, *value;
} headers[] = {
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
         "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
        {"Referrer-Policy", "no-referrer"},
        /* Kept, but asked about every time: another version of the controller brings another page. */
        {"Cache-Control", "no-cache"},
};

static const struct skr_page_file *find(const char *path)
{
    for (unsigned i = 0; i < skr_page_file_count; i++)
        if (strcmp(skr_page_files[i].path, path) == 0)
            return &skr_page_files[i];
    return NULL;
}

void skr_http_page(struct skr_http_request *request)
{
    const struct skr_page_file *file = find(request->route.fixed->path);
    const char *known = skr_http_header(request, "If-None-Match");
    if (!file) {
        skr_http_answer_error(request, &request->error);
        return;
    }
    bool unchanged = known && strstr(known, file->etag);
    request->status = unchanged ? 304 : 200;
    request->response =
            MHD_create_response_from_buffer(unchanged ? 0 : file->size, (void *)file->bytes, MHD_RESPMEM_PERSISTENT);
    if (!request->response)
        abort();
    skr_http_add_header(request, "Content-Type", file->type);
    skr_http_add_header(request, "ETag", file->etag);
    skr_http_add_common_headers(request);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(headers); i++)
        skr_http_add_header(request, headers[i].name, headers[i].value);
}
