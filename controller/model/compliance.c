/* Compliance compares the policy of a host with what its agent finds; this file keeps the summary in the host's status.
 * The rows are the agents' (report.c) and those of profiles that are held back. A host that can carry no virtualized
 * network is not compliant either; no row says so, because that changes with the sites and networks of the whole fabric
 * (carriage.c). */
#include "controller/model/rules.h"

static const struct skr_query count_of_host = {"SELECT COUNT(*) FROM compliance WHERE host_id = ?1"};

int skr_compliance_summary(struct skr_txn *txn, struct skr_object *host, struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(host);
    int64_t count = 0;
    char carriage[SKR_CARRIAGE_MAX] = "";
    int r = skr_integer_query(txn, &count_of_host, &id, &count, error);
    if (r == 0)
        r = skr_carriage_problem(txn, host, carriage, error);
    if (r < 0)
        return r;
    bool fine = count == 0 && !*carriage;
    /* An agent reports all that differs whenever it connects: one that never did has not looked. */
    const char *enrolment = skr_object_text(host, SKR_HOST_ENROLMENT);
    bool checked = enrolment && !strcmp(enrolment, "enrolled") && skr_object_has(host, SKR_HOST_LAST_SEEN_AT);
    skr_object_set_json(host, SKR_HOST_COMPLIANCE,
                        json_pack("{s:b, s:I, s:b, s:s?}", "compliant", checked && fine, "non_compliant",
                                  (json_int_t)count, "checked", checked, "reason", *carriage ? carriage : NULL));
    if (*carriage && !skr_object_has(host, SKR_HOST_PROBLEM)) /* what is wrong with the session comes first */
        skr_object_set_text(host, SKR_HOST_PROBLEM, carriage);
    return 0;
}
