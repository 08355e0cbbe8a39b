/* rooms: controller/model */
/* Messages of hosts to the controller, into a real database: the first byte chooses Enroll or Report, the rest is the
 * message. Whatever it says, the write is done or refused with a reason, a report comes to its end, and every text that
 * is stored can be shown: half a character would be missing from every answer. Each run is rolled back. */
#include "tests/fuzz/database.h"

#include <skerry/v1/southbound.pb-c.h>

#define PIECES_MAX 10000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct skr_uuid host_id;

struct input {
    const uint8_t *data;
    size_t size;
    bool enrolls;
};

static int join(struct skr_txn *txn, void *unused, struct skr_error *error)
{
    (void)unused;
    Skerry__V1__Enroll enroll = SKERRY__V1__ENROLL__INIT;
    enroll.token_id = (ProtobufCBinaryData){sizeof(token_id.bytes), token_id.bytes};
    enroll.secret = secret;
    enroll.host_name = "h";
    struct skr_enrolment enrolment = {.enroll = &enroll, .key_hash = {1}};
    int r = skr_model_enroll(txn, &enrolment, error);
    host_id = enrolment.host_id;
    return r;
}

/* ---- one message ---- */

static int check_texts(void *unused, struct skr_object *object)
{
    (void)unused;
    json_t *shown = skr_object_to_json(object, SKR_ROLE_ADMIN);
    must(shown != NULL, "an object cannot be shown");
    json_decref(shown);
    for (unsigned i = 0; i < object->resource->field_count; i++) {
        if (object->values[i].type != SKR_VALUE_TEXT)
            continue;
        json_t *text = json_string(object->values[i].text);
        must(text != NULL, object->resource->fields[i].name);
        json_decref(text);
    }
    return 0;
}

static int enroll(struct skr_txn *txn, const struct input *input, struct skr_error *error)
{
    Skerry__V1__Enroll *enroll = skerry__v1__enroll__unpack(NULL, input->size, input->data);
    if (!enroll)
        return 0;
    Skerry__V1__Enroll said = *enroll;
    said.token_id = (ProtobufCBinaryData){sizeof(token_id.bytes), token_id.bytes};
    said.secret = secret;
    struct skr_enrolment enrolment = {.enroll = &said, .key_hash = {2}};
    int r = skr_model_enroll(txn, &enrolment, error);
    skerry__v1__enroll__free_unpacked(enroll, NULL);
    return r;
}

static int report(struct skr_txn *txn, const struct input *input, struct skr_error *error)
{
    Skerry__V1__Report *report = skerry__v1__report__unpack(NULL, input->size, input->data);
    struct skr_report_names *names = skr_report_names_new(skr_txn_now_ms(txn));
    struct skr_evidence *evidence = skr_evidence_new();
    struct skr_report_write write = {.host_id = host_id,
                                     .report = report,
                                     .received_ms = skr_txn_now_ms(txn),
                                     .names = report && report->whole ? names : NULL,
                                     .evidence = evidence};
    int r = report ? 0 : 1;
    for (unsigned pieces = 0; r == 0 && !write.done; pieces++) {
        must(pieces < PIECES_MAX, "a report that does not end");
        r = skr_model_report(txn, &write, error);
        if (write.accepted)
            skerry__v1__report_accepted__free_unpacked(SKR_TAKE(write.accepted), NULL);
        write.begin = write.next;
    }
    skr_report_names_free(names);
    skr_evidence_free(evidence);
    if (report)
        skerry__v1__report__free_unpacked(report, NULL);
    return r > 0 ? 0 : r;
}

static int run(struct skr_txn *txn, void *argument, struct skr_error *error)
{
    static const enum skr_resource_id written[] = {SKR_HOST,       SKR_NETWORK_ADAPTER, SKR_LOOKUP_RECORD,
                                                   SKR_COMPLIANCE, SKR_EVENT,           SKR_ORPHAN};
    const struct input *input = argument;
    struct skr_error why = {0};
    int r = input->enrolls ? enroll(txn, input, &why) : report(txn, input, &why);
    must(r == 0 || skr_error_is_refusal(&why), why.detail[0] ? why.detail : "refused without a reason");
    for (size_t i = 0; r == 0 && i < SKR_ARRAY_SIZE(written); i++)
        must(skr_txn_each(txn, written[i], check_texts, NULL, &why) == 0, why.detail);
    return skr_error_set(error, SKR_ERROR_CONFLICT, "Each run begins with the same database.");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct skr_error error = {0};
    if (!store) {
        open_store();
        must(skr_store_write_wait(store, join, NULL, NULL, &error) == 0, error.detail);
    }
    if (size < 1)
        return 0;
    struct input input = {.data = data + 1, .size = size - 1, .enrolls = data[0] & 1};
    skr_store_write_wait(store, run, &input, NULL, &error);
    must(error.tag == SKR_ERROR_CONFLICT, error.detail);
    return 0;
}
