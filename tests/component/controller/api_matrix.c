/* The matrix judges each right of each role, generated from the tables that route: every kind, address, method,
 * writable field and reference, for every role, with an id of one's own, somebody else's and nobody's. What is expected
 * is written in matrix.c by hand, so that a table that says too much is found; a kind without a row fails. */
#include "tests/component/controller/matrix.h"

#include <criterion/criterion.h>
#include <skerry/clock.h>
#include <string.h>

TestSuite(api_matrix, .init = matrix_set_up, .fini = matrix_tear_down, .timeout = 100);

static void check_object(enum who who, const struct skr_resource *resource, const char *method, const char *suffix)
{
    bool get = strcmp(method, "GET") == 0, action = suffix[0] == ':';
    char *said[SIDE_COUNT], path[200], id[SKR_UUID_TEXT_MAX];
    char access = matrix_access(resource, who);
    for (enum side side = OWN; side < SIDE_COUNT; side++) {
        snprintf(path, sizeof(path), "/v1/%s/%s%s", resource->collection, matrix_id(resource->id, side, id), suffix);
        if (!get && matrix_sees(who, resource, side)) /* nothing is to change for those who come later */
            strcat(path, "?dry_run=true");
        API_REPLY reply = matrix_ask(who, method, path, get || strcmp(method, "DELETE") == 0 ? NULL : "{}");
        matrix_check_words(who, path, &reply);
        said[side] = matrix_essence(&reply, id);
        if (who == NOBODY && reply.status != 401)
            matrix_leak("%s %s without a token: %ld", method, path, reply.status);
        if (get && access != '-' && reply.status != (matrix_sees(who, resource, side) ? 200 : 404))
            matrix_leak("%s %s (%s) of %s: %ld %s", method, path, matrix_side_names[side], matrix_role_of[who],
                        reply.status, reply.text);
        bool refused = who != NOBODY && (get ? access == '-' : !action && access != 'w');
        if (refused && reply.status != 403)
            matrix_leak("%s %s (%s) of %s: %ld", method, path, matrix_side_names[side], matrix_role_of[who],
                        reply.status);
        if (!get && (who == AUDITOR || who == VIEWER) && reply.status != 403)
            matrix_leak("%s %s of %s: %ld", method, path, matrix_role_of[who], reply.status);
        if (refused && strcmp(said[OWN], said[side]) != 0)
            matrix_leak("%s %s of %s tells ids apart: %s, %s", method, path, matrix_role_of[who], said[OWN],
                        said[side]);
    }
    if (!matrix_sees(who, resource, FOREIGN) && strcmp(said[FOREIGN], said[MISSING]) != 0)
        matrix_leak("%s %s of %s: foreign %s, missing %s", method, path, matrix_role_of[who], said[FOREIGN],
                    said[MISSING]);
    for (enum side side = OWN; side < SIDE_COUNT; side++)
        free(said[side]);
}

static void check_collection(enum who who, const struct skr_resource *resource)
{
    char path[200], id[SKR_UUID_TEXT_MAX];
    snprintf(path, sizeof(path), "/v1/%s?limit=1000", resource->collection);
    API_REPLY list = matrix_ask(who, "GET", path, NULL);
    long wanted = who == NOBODY ? 401 : matrix_access(resource, who) == '-' ? 403 : 200;
    if (list.status != wanted)
        matrix_leak("GET %s of %s: %ld %.200s", path, who == NOBODY ? "nobody" : matrix_role_of[who], list.status,
                    list.text);
    matrix_check_words(who, path, &list);
    if (matrix_has(resource->id) && matrix_sees(who, resource, OWN) &&
        !strstr(list.text, matrix_id(resource->id, OWN, id)))
        matrix_leak("GET %s of %s lacks his own", path, matrix_role_of[who]);
    for (unsigned i = 0; i < resource->field_count && wanted == 200; i++) {
        const struct skr_field *field = &resource->fields[i];
        if (!(field->flags & SKR_FIELD_FILTER) || field->kind != SKR_KIND_REFERENCE || !matrix_has(field->target))
            continue;
        for (enum side side = FOREIGN; side < SIDE_COUNT; side++) {
            snprintf(path, sizeof(path), "/v1/%s?%s=%s", resource->collection, field->name,
                     matrix_id(field->target, side, id));
            API_REPLY filtered = matrix_ask(who, "GET", path, NULL);
            matrix_check_words(who, path, &filtered);
        }
    }
    if (resource->flags & (SKR_RESOURCE_VIEW | SKR_RESOURCE_LOGIN))
        return;
    snprintf(path, sizeof(path), "/v1/%s", resource->collection);
    API_REPLY create = matrix_ask(who, "POST", path, "{\"tenant_id\": 7}");
    wanted = who == NOBODY ? 401 : matrix_access(resource, who) == 'w' ? 422 : 403;
    if (create.status != wanted)
        matrix_leak("POST %s of %s: %ld, not %ld", path, who == NOBODY ? "nobody" : matrix_role_of[who], create.status,
                    wanted);
}

Test(api_matrix, every_route_method_role_and_id)
{
    static const char *const methods[] = {"GET", "PUT", "PATCH", "DELETE"};
    unsigned kinds = 0;
    for (enum who who = ADMIN; who < WHO_COUNT; who++) {
        int64_t before = skr_store_revision(matrix_server.database.store);
        EACH_RESOURCE(r)
        {
            kinds += matrix_has(r->id);
            check_collection(who, r);
            for (size_t m = 0; m < SKR_ARRAY_SIZE(methods) && matrix_has(r->id); m++)
                if (skr_route_object_methods(r) & skr_http_method_parse(methods[m]))
                    check_object(who, r, methods[m], "");
            for (unsigned a = 0; a < r->action_count && matrix_has(r->id); a++) {
                char suffix[64];
                snprintf(suffix, sizeof(suffix), ":%s", r->actions[a].verb);
                check_object(who, r, "POST", suffix);
            }
        }
        if (skr_store_revision(matrix_server.database.store) != before)
            matrix_leak("%s has written something", who == NOBODY ? "nobody" : matrix_role_of[who]);
    }
    cr_assert_geq(kinds, (SKR_RESOURCE_COUNT - 4) * WHO_COUNT, "most kinds have rows");
    cr_assert_geq(matrix_asked, 2000, "%u", matrix_asked);
    cr_expect_eq(matrix_leaks, 0, "%u of %u", matrix_leaks, matrix_asked);
}

Test(api_matrix, fixed_addresses_without_a_token)
{
    static const char *const open[] = {"/healthz", "/readyz", "/v1/openapi.json"};
    for (unsigned i = 0; i < skr_fixed_route_count; i++) {
        const struct skr_fixed_route *fixed = &skr_fixed_routes[i];
        char path[128], method[SKR_HTTP_METHODS_TEXT_MAX];
        bool is_open = false;
        cr_expect_neq(fixed->role, SKR_ROLE_NOBODY, "%s says for nobody", fixed->path);
        for (size_t o = 0; o < SKR_ARRAY_SIZE(open); o++)
            is_open |= strcmp(fixed->path, open[o]) == 0;
        /* The page itself: files of the build, the same for everybody. */
        is_open |= fixed->handle == skr_http_page;
        snprintf(path, sizeof(path), "%s%s", fixed->path, fixed->word ? "1" : "");
        API_REPLY reply = matrix_ask(NOBODY, skr_http_methods_format(fixed->method, method), path, NULL);
        cr_expect(is_open ? reply.status == 200 : reply.status == 401, "%s %s: %ld", method, path, reply.status);
    }
    API_REPLY metrics = matrix_ask(TENANT, "GET", "/metrics", NULL);
    cr_expect_eq(metrics.status, 403);
    API_REPLY auditors = matrix_ask(AUDITOR, "GET", "/metrics", NULL);
    cr_expect_eq(auditors.status, 200);
}

Test(api_matrix, every_field_and_role)
{
    static const enum skr_role roles[] = {SKR_ROLE_ADMIN, SKR_ROLE_FABRIC, SKR_ROLE_AUDITOR, SKR_ROLE_TENANT,
                                          SKR_ROLE_VIEWER};
    for (enum who who = ADMIN; who <= VIEWER; who++)
        EACH_RESOURCE(r)
    for (unsigned i = 0; i < r->field_count && matrix_has(r->id); i++) {
        char path[200], id[SKR_UUID_TEXT_MAX];
        if (!(skr_route_object_methods(r) & SKR_HTTP_PATCH) || matrix_is_writable(&r->fields[i], roles[who]))
            continue;
        json_t *body = json_object();
        json_object_set_new(body, r->fields[i].name, matrix_sample(&r->fields[i], OWN));
        char *text = json_dumps(body, JSON_COMPACT);
        snprintf(path, sizeof(path), "/v1/%s/%s?dry_run=true", r->collection, matrix_id(r->id, OWN, id));
        API_REPLY reply = matrix_ask(who, "PATCH", path, text);
        if (reply.status != (matrix_access(r, who) == 'w' ? 422 : 403))
            matrix_leak("PATCH %s of %s with %s: %ld %s", path, matrix_role_of[who], text, reply.status, reply.text);
        matrix_check_words(who, path, &reply);
        free(text);
        json_decref(body);
    }
    cr_assert_geq(matrix_asked, 300, "%u", matrix_asked);
    cr_expect_eq(matrix_leaks, 0, "%u of %u", matrix_leaks, matrix_asked);
}

Test(api_matrix, a_foreign_reference_is_told_like_a_missing_one)
{
    unsigned references = 0;
    EACH_RESOURCE(r)
    for (unsigned i = SKR_FIELD_TENANT_ID; i < r->field_count; i++) {
        const struct skr_field *field = &r->fields[i];
        bool reference = field->kind == SKR_KIND_REFERENCE || field->kind == SKR_KIND_REFERENCES;
        if (matrix_access(r, TENANT) != 'w' || r->flags & SKR_RESOURCE_LOGIN || !reference ||
            !matrix_is_writable(field, SKR_ROLE_TENANT))
            continue;
        char path[200], id[SKR_UUID_TEXT_MAX], *said[SIDE_COUNT];
        snprintf(path, sizeof(path), "/v1/%s", r->collection);
        for (enum side side = FOREIGN; side <= MISSING; side++) {
            char *body = matrix_create_with(r, i, side, id);
            API_REPLY reply = matrix_ask(TENANT, "POST", path, body);
            if (reply.status != 422)
                matrix_leak("POST %s with %s: %ld %s", path, body, reply.status, reply.text);
            said[side] = matrix_essence(&reply, id);
            free(body);
        }
        if (strcmp(said[FOREIGN], said[MISSING]) != 0)
            matrix_leak("%s.%s: foreign %s, missing %s", r->name, field->name, said[FOREIGN], said[MISSING]);
        free(said[FOREIGN]);
        free(said[MISSING]);
        references++;
    }
    cr_assert_geq(references, 8, "%u", references);
    cr_expect_eq(matrix_leaks, 0, "%u of %u", matrix_leaks, matrix_asked);
}

/* ---- time ---- */

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

#define PAIRS  2000
#define SERIES 3

/* The median of the foreign id's answers in that of the missing one's, over interleaved pairs. */
static double compare_pairs(const char path[2][100])
{
    static int64_t took[2][PAIRS];
    for (unsigned i = 0; i < PAIRS; i++)
        for (unsigned k = 0; k < 2; k++) {
            unsigned which = (i + k) % 2;
            int64_t start_ns = skr_clock_monotonic_ns();
            API_REPLY reply = matrix_ask(TENANT, "GET", path[which], NULL);
            took[which][i] = skr_clock_monotonic_ns() - start_ns;
            cr_assert_eq(reply.status, 404);
        }
    qsort(took[0], PAIRS, sizeof(took[0][0]), compare_times);
    qsort(took[1], PAIRS, sizeof(took[1][0]), compare_times);
    return (double)took[0][PAIRS / 2] / (double)took[1][PAIRS / 2];
}

/* A difference that is there is there in every series, and on the same side; what a busy machine does is not. */
Test(api_matrix, a_foreign_id_takes_as_long_as_a_missing_one)
{
    char path[2][100], id[SKR_UUID_TEXT_MAX];
    unsigned faster = 0, slower = 0, series = 0;
    double ratio;
    snprintf(path[0], sizeof(path[0]), "/v1/vm-networks/%s", matrix_id(SKR_VM_NETWORK, FOREIGN, id));
    snprintf(path[1], sizeof(path[1]), "/v1/vm-networks/%s", matrix_id(SKR_VM_NETWORK, MISSING, id));
    do {
        ratio = compare_pairs(path);
        faster += ratio < 0.95;
        slower += ratio > 1.05;
    } while (++series < SERIES && faster + slower == series);
    cr_expect(faster < SERIES && slower < SERIES, "foreign in missing: %.3f, and as bad in %u series", ratio, SERIES);
}
