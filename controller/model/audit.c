/* The audit log: who wrote what, from where, and what it changed. A write that is done leaves its record in its own
 * savepoint, so there is none without the other; one that is refused leaves it after its savepoint was rolled back, in
 * the same batch. Only what comes from outside is recorded (the principal has a request id): reports of agents and what
 * rules write themselves follow from it or are no user's. A dry run leaves nothing. */
#include "controller/model/rules.h"

#define AUDIT_AGE_MS (90LL * 24 * 3600 * 1000)
#define AUDIT_BYTES  (10LL << 30)
#define AUDIT_ROW    600 /* bytes of a record besides its texts: columns, three index entries */
#define JSON_SCALAR  5   /* bytes of a number, a truth value, a pair of brackets: about */
#define PRUNE_BESIDE 2   /* old records that each new one takes with it */

static const struct skr_query oldest = {
        "SELECT r.id, r.created_at, r.size, t.size FROM audit_total t CROSS JOIN audit_record r "
        "WHERE t.id = 1 AND r.id > ?1 ORDER BY r.id LIMIT ?2"};
static const struct skr_query up_to = {"DELETE FROM audit_record WHERE id <= ?1"};

/* ---- pruning ---- */

/* The last of the oldest records that are too old or too much, looking at `max` of them; nil: none is. */
static int find_cut(struct skr_txn *txn, unsigned max, struct skr_uuid *ret, struct skr_error *error)
{
    static const struct skr_uuid nil;
    struct skr_statement *statement = NULL;
    int64_t dropped = 0, limit = skr_txn_now_ms(txn) - AUDIT_AGE_MS;
    int r = skr_txn_query(txn, &oldest, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &nil);
    skr_bind_integer(statement, 2, max);
    *ret = nil;
    while ((r = skr_step(statement, error)) > 0 &&
           (skr_column_integer(statement, 1) < limit || skr_column_integer(statement, 3) - dropped > AUDIT_BYTES)) {
        *ret = skr_column_uuid(statement, 0);
        dropped += skr_column_integer(statement, 2);
    }
    skr_statement_reset(statement);
    return r < 0 ? r : 0;
}

int skr_audit_prune(struct skr_txn *txn, unsigned max, struct skr_error *error)
{
    struct skr_statement *statement;
    struct skr_uuid cut = {0};
    int r = find_cut(txn, max, &cut, error);
    if (r < 0 || skr_uuid_is_nil(&cut))
        return r;
    r = skr_txn_query(txn, &up_to, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &cut);
    r = skr_step(statement, error);
    skr_statement_reset(statement);
    return r;
}

/* ---- records ---- */

static bool is_stored(const struct skr_field *field)
{
    return field->kind != SKR_KIND_COMPUTED && field->kind != SKR_KIND_SECRET;
}

/* The object as the database holds it, without hidden fields; NULL for no object. */
static json_t *image(const struct skr_object *object)
{
    if (!object)
        return NULL;
    json_t *json = skr_object_to_json(object, SKR_ROLE_ADMIN);
    for (unsigned i = 0; i < object->resource->field_count; i++) {
        const struct skr_field *field = &object->resource->fields[i];
        if (is_stored(field))
            continue;
        json_object_del(json, field->name);
        json_object_del(json_object_get(json, "status"), field->name);
    }
    return json;
}

/* About as many bytes as its text has: to write the text twice, once to count it, would cost a batch a fiftieth. */
static int64_t text_size(const json_t *json)
{
    int64_t size = json_is_string(json) ? (int64_t)json_string_length(json) + 2 : JSON_SCALAR;
    const char *name;
    json_t *member;
    size_t i;
    json_object_foreach ((json_t *)json, name, member)
        size += (int64_t)strlen(name) + 4 + text_size(member);
    json_array_foreach (json, i, member)
        size += 1 + text_size(member);
    return size;
}

static void set_image(struct skr_object *record, int field, const struct skr_object *object, int64_t *size)
{
    json_t *json = image(object);
    if (!json)
        return;
    *size += text_size(json);
    skr_object_set_json(record, field, json);
}

static void set_principal(struct skr_object *record, const struct skr_principal *principal)
{
    const char *role = skr_role_name(principal->role);
    const struct skr_uuid *who = skr_uuid_is_nil(&principal->user_id) ? &principal->token_id : &principal->user_id;
    if (!skr_uuid_is_nil(who))
        skr_object_set_uuid(record, SKR_AUDIT_RECORD_PRINCIPAL_ID, who);
    if (!skr_uuid_is_nil(&principal->token_id))
        skr_object_set_uuid(record, SKR_AUDIT_RECORD_TOKEN_ID, &principal->token_id);
    skr_object_set_text(record, SKR_AUDIT_RECORD_PRINCIPAL, principal->name);
    skr_object_set_text(record, SKR_AUDIT_RECORD_ROLE, role ? role : "");
    skr_object_set_text(record, SKR_AUDIT_RECORD_ADDRESS, principal->address);
    skr_object_set_text(record, SKR_AUDIT_RECORD_REQUEST_ID, principal->request_id);
}

/* The object's tenant; a tenant's own is itself. */
static void set_object(struct skr_object *record, const struct skr_object *object)
{
    bool tenant = object->resource->id == SKR_TENANT;
    struct skr_uuid id = skr_object_id(object), owner = tenant ? id : skr_object_uuid(object, SKR_FIELD_TENANT_ID);
    skr_object_set_text(record, SKR_FIELD_NAME, skr_object_name(object));
    skr_object_set_uuid(record, SKR_AUDIT_RECORD_OBJECT_ID, &id);
    if (!skr_uuid_is_nil(&owner))
        skr_object_set_uuid(record, SKR_FIELD_TENANT_ID, &owner);
}

static int insert(struct skr_txn *txn, const struct skr_audited *audited, struct skr_object *record, int64_t size,
                  struct skr_error *error)
{
    set_principal(record, audited->principal);
    skr_object_set_text(record, SKR_AUDIT_RECORD_METHOD, audited->method);
    skr_object_set_text(record, SKR_AUDIT_RECORD_PATH, audited->path);
    skr_object_set_text(record, SKR_AUDIT_RECORD_OBJECT_KIND, audited->kind ? audited->kind : "");
    skr_object_set_integer(record, SKR_AUDIT_RECORD_SIZE, size + AUDIT_ROW);
    int r = skr_audit_prune(txn, PRUNE_BESIDE, error);
    return r < 0 ? r : skr_txn_append(txn, record, error);
}

int skr_audit_done(struct skr_txn *txn, const struct skr_audited *audited, const struct skr_object *before,
                   const struct skr_object *after, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *record = NULL;
    int64_t size = 0;
    if (!*audited->principal->request_id)
        return 0;
    record = skr_row_new(SKR_AUDIT_RECORD);
    if (after || before)
        set_object(record, after ? after : before);
    set_image(record, SKR_AUDIT_RECORD_BEFORE, before, &size);
    set_image(record, SKR_AUDIT_RECORD_AFTER, after, &size);
    skr_object_set_text(record, SKR_AUDIT_RECORD_RESULT, "ok");
    return insert(txn, audited, record, size, error);
}

/* The record of one that was refused, after it was rolled back. */
static int add_refused(struct skr_txn *txn, const struct skr_audited *audited, enum skr_resource_id resource,
                       const struct skr_uuid *id, const struct skr_error *why, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *record = skr_row_new(SKR_AUDIT_RECORD), *object = NULL;
    if (!skr_uuid_is_nil(id)) {
        int r = skr_txn_get(txn, resource, id, NULL, &object, error);
        if (r < 0 && r != -ENOENT)
            return r;
        skr_object_set_uuid(record, SKR_AUDIT_RECORD_OBJECT_ID, id);
    }
    if (object)
        set_object(record, object);
    else if (!skr_uuid_is_nil(&audited->principal->tenant_id))
        skr_object_set_uuid(record, SKR_FIELD_TENANT_ID, &audited->principal->tenant_id);
    skr_object_set_text(record, SKR_AUDIT_RECORD_RESULT, skr_error_tag_info(why->tag)->name);
    skr_object_set_text(record, SKR_AUDIT_RECORD_DETAIL, why->detail);
    return insert(txn, audited, record, (int64_t)strlen(why->detail), error);
}

/* ---- requests ---- */

void skr_audit_path(char out[static SKR_AUDIT_PATH_MAX], const struct skr_resource *resource, const struct skr_uuid *id,
                    const char *verb)
{
    char text[SKR_UUID_TEXT_MAX];
    bool one = !skr_uuid_is_nil(id);
    snprintf(out, SKR_AUDIT_PATH_MAX, "/v1/%s%s%s%s%.60s", resource->collection, one ? "/" : "",
             one ? skr_uuid_format(id, text) : "", verb ? ":" : "", verb ? verb : "");
}

int skr_model_refusal(struct skr_txn *txn, void *argument, struct skr_error *error)
{
    const struct skr_refusal *refusal = argument;
    const struct skr_audited audited = {.principal = &refusal->principal,
                                        .method = refusal->method,
                                        .path = refusal->path,
                                        .kind = refusal->resource ? refusal->resource->name : NULL};
    if (!*refusal->principal.request_id)
        return 0;
    return add_refused(txn, &audited, refusal->resource ? refusal->resource->id : SKR_TENANT,
                       refusal->resource ? &refusal->id : &(struct skr_uuid){0}, &refusal->why, error);
}
