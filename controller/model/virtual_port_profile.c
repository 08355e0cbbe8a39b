#include "controller/model/rules.h"

static int prepare(struct skr_write *write, struct skr_error *error)
{
    const struct skr_value *value = &write->after->values[SKR_VIRTUAL_PORT_PROFILE_BANDWIDTH];
    if (value->type != SKR_VALUE_OBJECTS || !value->count)
        return 0;
    const struct skr_object *bandwidth = value->objects[0];
    int64_t minimum = skr_object_integer(bandwidth, SKR_BANDWIDTH_MINIMUM_BPS);
    int64_t maximum = skr_object_integer(bandwidth, SKR_BANDWIDTH_MAXIMUM_BPS);
    if (skr_object_has(bandwidth, SKR_BANDWIDTH_MINIMUM_WEIGHT) && minimum)
        return skr_refuse(error, SKR_ERROR_INVALID, "/bandwidth/minimum_bps",
                          "A minimum is a weight or bits a second, not both; leave one of them out.");
    if (minimum && maximum && minimum > maximum)
        return skr_refuse(error, SKR_ERROR_INVALID, "/bandwidth/maximum_bps",
                          "The maximum of %lld is below the minimum of %lld bits a second.", (long long)maximum,
                          (long long)minimum);
    return 0;
}

static int removing(struct skr_write *write, struct skr_error *error)
{
    if (!skr_object_integer(write->before, SKR_VIRTUAL_PORT_PROFILE_BUILT_IN))
        return 0;
    return skr_error_set(error, SKR_ERROR_CONFLICT, "Profile \"%.100s\" is built in and cannot be deleted.",
                         skr_object_name(write->before));
}

const struct skr_rules skr_virtual_port_profile_rules = {
        .prepare = prepare, .stored = skr_profile_changed, .removing = removing};
