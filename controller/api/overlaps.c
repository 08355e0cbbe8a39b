#include "controller/api/http.h"

void skr_http_overlaps(struct skr_http_request *request)
{
    const char *text = skr_http_parameter(request, "tenant_id");
    struct skr_uuid tenant_id = {0};
    json_t *answer = NULL;
    struct skr_txn *txn = NULL;
    int r = 0;
    if (text && skr_uuid_parse(text, &tenant_id) < 0)
        r = skr_error_set(&request->error, SKR_ERROR_SYNTAX, "tenant_id is a UUID, not '%.60s'", text);
    if (r == 0)
        r = skr_store_read_begin(request->api->store, &txn, &request->error);
    if (r == 0) {
        r = skr_model_overlaps(txn, &request->principal, &tenant_id, &answer, &request->error);
        skr_store_read_end(txn);
    }
    if (r < 0)
        skr_http_answer_error(request, &request->error);
    else
        skr_http_answer(request, 200, answer);
}
