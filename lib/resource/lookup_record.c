#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS_NAMED(READ_ONLY | FILTER, READ_ONLY),
        [SKR_LOOKUP_RECORD_VM_NETWORK_ID] = FIELD("vm_network_id", REFERENCE, READ_ONLY | FILTER, NOBODY, ANY,
                                                  "VM network", .target = SKR_VM_NETWORK, .column_title = "VM NETWORK"),
        [SKR_LOOKUP_RECORD_VM_SUBNET_ID] = FIELD("vm_subnet_id", REFERENCE, READ_ONLY | FILTER | NULLABLE, NOBODY, ANY,
                                                 "VM subnet; null: the VM network has none", .target = SKR_VM_SUBNET),
        [SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID] =
                FIELD("network_adapter_id", REFERENCE, READ_ONLY | FILTER, NOBODY, ANY, "Adapter that has the address",
                      .target = SKR_NETWORK_ADAPTER, .column_title = "ADAPTER"),
        [SKR_LOOKUP_RECORD_VSID] = FIELD("vsid", INTEGER, READ_ONLY | FILTER | NULLABLE, NOBODY, ANY,
                                         "Virtual subnet ID; null: on a VLAN", .column_title = "VSID"),
        [SKR_LOOKUP_RECORD_CUSTOMER_ADDRESS] =
                FIELD("customer_address", ADDRESS, READ_ONLY | FILTER | NULLABLE, NOBODY, ANY,
                      "Address in the VM network; null: the MAC alone", .column_title = "CUSTOMER ADDRESS"),
        [SKR_LOOKUP_RECORD_MAC] =
                FIELD("mac", MAC, READ_ONLY | FILTER, NOBODY, ANY, "MAC address", .column_title = "MAC"),
        [SKR_LOOKUP_RECORD_TYPE] =
                FIELD("type", ENUM, READ_ONLY, NOBODY, ANY, "Where the record came from",
                      .choices = CHOICES("static", "dynamic", "l2only", "gateway", "dhcp"), .column_title = "TYPE"),
        [SKR_LOOKUP_RECORD_HOST_ID] = FIELD("host_id", REFERENCE, READ_ONLY | FILTER | NULLABLE, NOBODY, FABRIC,
                                            "Host the adapter is on", .target = SKR_HOST, .column_title = "HOST"),
        [SKR_LOOKUP_RECORD_PROVIDER_ADDRESS] = FIELD("provider_address", COMPUTED, READ_ONLY, NOBODY, FABRIC,
                                                     "Outer address of that host", .column_title = "PROVIDER ADDRESS"),
};

const struct skr_resource skr_resource_lookup_record = {
        .id = SKR_LOOKUP_RECORD,
        .name = "lookup-record",
        .collection = "lookup-records",
        .shorthand = "lr",
        .table = "lookup_record",
        .help = "Where a customer address is: its MAC, adapter, host and provider address",
        .scope = SKR_SCOPE_TENANT,
        .reader = SKR_ROLE_ANY,
        .flags = SKR_RESOURCE_VIEW,
        .name_parent = -1,
        .maximum = 4000000,
        FIELDS(fields),
};
