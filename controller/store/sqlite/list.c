/* Pages of rows. One index drives each, in order of id, and everything it finds is something that the asking one sees:
 * a page that ends early tells nobody what others have. What the index does not know is judged row by row. */
#include "controller/store/sqlite/private.h"
#include <errno.h>
#include <string.h>

_Static_assert(SKR_LIST_EXAMINED_MAX >= SKR_PAGE_MAX, "a page that wants all it sees is full");

/* The ids of what is appended are in the order of time, but made a moment before or after the write's own clock. */
#define CLOCK_SLACK_MS 60000

/* How well a filter finds: what it may find at most says how many rows a page looks at in vain. */
enum rank { USELESS, FEW_VALUES, MANY_VALUES, NEARLY_UNIQUE, PLACE };

struct page {
    struct skr_object **objects;
    uint32_t count;
};

static void page_cleanup(struct page *page)
{
    for (uint32_t i = 0; i < page->count; i++)
        skr_object_unref(page->objects[i]);
    free(page->objects);
}

static bool is_scoped(const struct skr_list_query *query)
{
    return query->tenant || query->no_tenant;
}

static int check(const struct skr_resource_sql *sql, const struct skr_list_query *query, struct skr_error *error)
{
    const struct skr_resource *resource = sql->resource;
    if (query->limit < 1 || query->limit > SKR_PAGE_MAX)
        return skr_error_set(error, SKR_ERROR_INVALID, "limit must be 1 to %d.", SKR_PAGE_MAX);
    if (query->filter_count > SKR_LIST_FILTERS_MAX)
        return skr_error_set(error, SKR_ERROR_INVALID, "At most %d filters may be combined.", SKR_LIST_FILTERS_MAX);
    if (query->label_count > SKR_LIST_LABELS_MAX)
        return skr_error_set(error, SKR_ERROR_INVALID, "At most %d labels may be combined.", SKR_LIST_LABELS_MAX);
    for (unsigned i = 0; i < query->filter_count; i++) {
        int number = query->filters[i].field;
        bool known = number >= 0 && (unsigned)number < resource->field_count;
        const struct skr_field *field = known ? &resource->fields[number] : NULL;
        if (!field || !(field->flags & SKR_FIELD_FILTER))
            return skr_error_set(error, SKR_ERROR_INVALID, "%s cannot be filtered by %s.", resource->name,
                                 field ? field->name : "a field it does not have");
    }
    return 0;
}

/* ---- which index ---- */

/* A reference to what tenants make themselves: who refers to it is of the same tenant. A user may be nobody's. */
static bool is_owned(const struct skr_field *field)
{
    const struct skr_resource *target = field->kind == SKR_KIND_REFERENCE ? skr_resource_get(field->target) : NULL;
    return target && target->scope == SKR_SCOPE_TENANT && target->writer != SKR_ROLE_ADMIN;
}

static enum rank rank(const struct skr_resource *resource, const struct skr_list_query *query, unsigned number)
{
    const struct skr_list_filter *filter = &query->filters[number];
    const struct skr_field *field = &resource->fields[filter->field];
    bool null = filter->value.type == SKR_VALUE_NULL;
    if (query->within)
        return filter->field == query->within_field ? PLACE : USELESS;
    /* In the rows of one tenant there is an index of what tenants may ask for. */
    bool indexed = resource->scope == SKR_SCOPE_TENANT && filter->field != SKR_FIELD_TENANT_ID &&
                   !(null && is_owned(field)) && (field->reader == SKR_ROLE_ANY || field->reader == SKR_ROLE_TENANT);
    if (is_scoped(query) && !indexed)
        return USELESS;
    if (null || field->kind == SKR_KIND_ENUM || field->kind == SKR_KIND_BOOLEAN)
        return FEW_VALUES;
    if (field->kind == SKR_KIND_REFERENCE || (field->kind == SKR_KIND_TEXT && filter->field != SKR_FIELD_NAME))
        return MANY_VALUES;
    return NEARLY_UNIQUE;
}

static int compare(const void *a, const void *b)
{
    return skr_uuid_compare(a, b);
}

static bool is_within(const struct skr_list_query *query, const struct skr_value *value)
{
    return value->type == SKR_VALUE_UUID &&
           bsearch(&value->uuid, query->within, query->within_count, sizeof(struct skr_uuid), compare);
}

static bool is_in_scope(const struct skr_list_query *query, const struct skr_value *tenant)
{
    if (query->tenant)
        return tenant->type == SKR_VALUE_UUID && skr_uuid_equal(&tenant->uuid, query->tenant);
    return !query->no_tenant || tenant->type != SKR_VALUE_UUID;
}

/* A filter that asks for what is outside of the list finds nothing, and looks for nothing. */
static bool is_outside(const struct skr_list_query *query, const struct skr_list_filter *filter)
{
    if (query->within && filter->field == query->within_field)
        return !is_within(query, &filter->value);
    return filter->field == SKR_FIELD_TENANT_ID && !is_in_scope(query, &filter->value);
}

/* The lowest id (UUIDv7) of that moment. */
static struct skr_uuid id_of_time(int64_t ms)
{
    struct skr_uuid id = {0};
    for (int i = 0; ms > 0 && i < 6; i++)
        id.bytes[i] = (uint8_t)(ms >> (8 * (5 - i)));
    return id;
}

/* After the page before, and not before the wanted time. */
static struct skr_uuid page_begin(const struct skr_list_query *query)
{
    struct skr_uuid first = id_of_time(query->created_from ? query->created_from - CLOCK_SLACK_MS : 0);
    return skr_uuid_compare(&first, &query->after) > 0 ? first : query->after;
}

static bool is_past(const struct skr_list_query *query, const struct skr_object *object)
{
    struct skr_uuid end = id_of_time(query->created_until + CLOCK_SLACK_MS);
    return query->created_until && skr_uuid_compare(&object->values[SKR_FIELD_ID].uuid, &end) >= 0;
}

static bool is_in_time(const struct skr_list_query *query, const struct skr_object *object)
{
    int64_t created = skr_object_integer(object, SKR_FIELD_CREATED_AT);
    return created >= query->created_from && (!query->created_until || created <= query->created_until);
}

static bool wanted(const struct skr_list_query *query, const struct skr_object *object)
{
    if (!is_in_scope(query, &object->values[SKR_FIELD_TENANT_ID]) || !is_in_time(query, object) ||
        (query->within && !is_within(query, &object->values[query->within_field])))
        return false;
    for (unsigned i = 0; i < query->filter_count; i++)
        if (!skr_value_equal(&query->filters[i].value, &object->values[query->filters[i].field]))
            return false;
    return skr_labels_match(query, object);
}

/* Returns whether anything is left to be judged. *ret_filter: the filter that drives, NULL for none. */
static bool choose(const struct skr_resource_sql *sql, const struct skr_list_query *query, struct skr_list_way *ret,
                   const struct skr_list_filter **ret_filter)
{
    enum rank best = USELESS;
    *ret = (struct skr_list_way){.field = -1};
    *ret_filter = NULL;
    for (unsigned i = 0; i < query->filter_count; i++) {
        enum rank this = rank(sql->resource, query, i);
        if (this <= best)
            continue;
        best = this;
        *ret_filter = &query->filters[i];
    }
    ret->by_place = query->within && best != PLACE;
    ret->by_label = query->label_count && !query->within && best < NEARLY_UNIQUE;
    if (ret->by_label) {
        *ret_filter = NULL;
        ret->label_value = query->labels[0].value != NULL;
    }
    if (is_scoped(query))
        ret->tenant = query->tenant ? SKR_WAY_ONE : SKR_WAY_NONE;
    if (*ret_filter) {
        ret->field = (*ret_filter)->field;
        ret->null = (*ret_filter)->value.type == SKR_VALUE_NULL;
        if (is_owned(&sql->resource->fields[ret->field]))
            ret->tenant = SKR_WAY_ALL;
    } else if (ret->by_place) {
        ret->field = query->within_field;
    }
    bool driven = *ret_filter || ret->by_label;
    return query->filter_count + query->label_count > (unsigned)driven || query->created_from || query->created_until;
}

/* 1: whom the driving filter names is of the tenant whose rows are asked for, 0: not, so nothing that he has refers to
 * it. The same work for another tenant's and for what does not exist. */
static int check_owner(struct skr_txn *txn, const struct skr_resource_sql *sql, const struct skr_list_query *query,
                       const struct skr_list_filter *filter, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *owner = NULL;
    const struct skr_field *field = filter ? &sql->resource->fields[filter->field] : NULL;
    if (!field || !is_scoped(query) || !is_owned(field) || filter->value.type != SKR_VALUE_UUID)
        return 1;
    int r = skr_txn_get(txn, field->target, &filter->value.uuid, query->tenant, &owner, error);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    return is_in_scope(query, &owner->values[SKR_FIELD_TENANT_ID]);
}

/* ---- a page ---- */

struct walk {
    struct skr_txn *txn;
    const struct skr_resource_sql *sql;
    struct skr_statement *statement;
    struct skr_uuid *ids; /* by place: what is read one by one */
    uint32_t count, at;
};

static void walk_cleanup(struct walk *walk)
{
    free(walk->ids);
}

static int begin(struct walk *walk, const struct skr_list_query *query, const struct skr_list_way *way,
                 const struct skr_list_filter *filter, uint32_t rows, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *text = skr_resource_sql_list(walk->sql, way);
    struct skr_statement *statement = NULL;
    int r = skr_connection_statement(walk->txn->connection, text, &statement, error);
    if (r)
        return r;
    if (way->by_place)
        return skr_place_find(statement, query, rows, &walk->ids, &walk->count, error);
    struct skr_uuid after = page_begin(query);
    skr_bind_uuid(statement, 1, &after);
    skr_bind_integer(statement, 2, rows);
    if (way->by_label) {
        skr_bind_text(statement, 3, walk->sql->resource->name);
        skr_bind_text(statement, 4, query->labels[0].name);
    }
    if (way->label_value)
        skr_bind_text(statement, 5, query->labels[0].value);
    if (way->tenant == SKR_WAY_ONE)
        skr_bind_uuid(statement, 6, query->tenant);
    if (filter && !way->null)
        skr_row_bind_value(statement, 7, &filter->value);
    walk->statement = statement;
    return 0;
}

/* 1: *ret is a new object without its lists, 0: no more, -errno. */
static int next(struct walk *walk, struct skr_object **ret, struct skr_error *error)
{
    struct skr_statement *statement = walk->statement;
    if (walk->ids) {
        int r = walk->at == walk->count
                        ? 0
                        : skr_connection_statement(walk->txn->connection, walk->sql->get, &statement, error);
        if (r || walk->at == walk->count)
            return r;
        skr_bind_uuid(statement, 1, &walk->ids[walk->at++]);
    }
    int r = statement ? skr_step(statement, error) : 0;
    if (r != 1)
        return r;
    *ret = skr_object_new(walk->sql->resource);
    skr_row_read(statement, 0, walk->sql->columns, walk->sql->column_count, *ret);
    return 1;
}

/* Fills the page; 1: another one follows, after *last. */
static int fill(struct walk *walk, const struct skr_list_query *query, uint32_t rows, struct page *page,
                struct skr_uuid *last, struct skr_error *error)
{
    int r = 0;
    for (uint32_t examined = 0; examined <= rows; examined++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = NULL;
        r = next(walk, &object, error);
        if (r == 1 && is_past(query, object))
            r = 0;
        if (r != 1 || page->count == query->limit || examined == rows)
            break;
        *last = object->values[SKR_FIELD_ID].uuid;
        if (wanted(query, object))
            page->objects[page->count++] = SKR_TAKE(object);
    }
    if (walk->statement)
        skr_statement_reset(walk->statement);
    bool more = r == 1;
    for (uint32_t i = 0; r >= 0 && i < page->count; i++)
        r = skr_rows_read_lists(walk->txn, walk->sql, page->objects[i], error);
    return r < 0 ? r : more;
}

static int read_page(struct walk *walk, const struct skr_list_query *query, struct page *page, struct skr_uuid *last,
                     struct skr_error *error)
{
    struct skr_list_way way;
    const struct skr_list_filter *filter;
    bool judged = choose(walk->sql, query, &way, &filter);
    if (judged && !query->ret_last)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "A list that is judged row by row needs ret_last.");
    for (unsigned i = 0; i < query->filter_count; i++)
        if (is_outside(query, &query->filters[i]))
            return 0;
    int r = check_owner(walk->txn, walk->sql, query, filter, error);
    if (r != 1)
        return r;
    uint32_t rows = judged ? SKR_LIST_EXAMINED_MAX : query->limit;
    r = begin(walk, query, &way, filter, rows + 1, error); /* one more tells whether another page follows */
    return r < 0 ? r : fill(walk, query, rows, page, last, error);
}

int skr_txn_list(struct skr_txn *txn, const struct skr_list_query *query, struct skr_object **ret_objects,
                 uint32_t *ret_count, bool *ret_more, struct skr_error *error)
{
    SKR_CLEANUP(page_cleanup) struct page page = {0};
    SKR_CLEANUP(walk_cleanup) struct walk walk = {.txn = txn, .sql = skr_rows_sql(txn, query->resource, error)};
    struct skr_uuid last = query->after;
    int r = walk.sql ? check(walk.sql, query, error) : -EIO;
    if (r < 0)
        return r;
    page.objects = calloc(query->limit, sizeof(struct skr_object *));
    if (!page.objects)
        abort();
    r = read_page(&walk, query, &page, &last, error);
    if (r < 0)
        return r;
    memcpy(ret_objects, page.objects, page.count * sizeof(struct skr_object *));
    *ret_count = page.count;
    *ret_more = r == 1;
    if (query->ret_last)
        *query->ret_last = last;
    page.count = 0;
    return 0;
}
