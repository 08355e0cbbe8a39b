#include "controller/model/rules.h"

static int removing(struct skr_write *write, struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(write->before);
    if (!skr_object_integer(write->before, SKR_PORT_CLASSIFICATION_BUILT_IN))
        return skr_profile_forget(write->txn, &id, error);
    return skr_error_set(error, SKR_ERROR_CONFLICT, "Port classification \"%.100s\" is built in and cannot be deleted.",
                         skr_object_name(write->before));
}

const struct skr_rules skr_port_classification_rules = {.stored = skr_profile_changed, .removing = removing};
