#include "agent/fastpath/fastpath.h"

static const struct skr_fastpath_table_info tables[SKR_TABLE_COUNT] = {
        [SKR_TABLE_PORTS] = {"ports", sizeof(__u32), sizeof(struct skr_abi_port), 8192},
        [SKR_TABLE_RECORDS_MAC] = {"records_mac", sizeof(struct skr_abi_mac_key), sizeof(struct skr_abi_mac_record),
                                   1048576},
        [SKR_TABLE_RECORDS_CA] = {"records_ca", sizeof(struct skr_abi_ca_key), sizeof(struct skr_abi_ca_record),
                                  1048576},
        [SKR_TABLE_SUBNETS] = {"subnets", sizeof(__u32), sizeof(struct skr_abi_subnet), 65536},
        [SKR_TABLE_ROUTES] = {"routes", sizeof(struct skr_abi_route_key), sizeof(struct skr_abi_route), 131072},
        [SKR_TABLE_OWN_PAS] = {"own_pas", sizeof(struct skr_abi_address), sizeof(struct skr_abi_own_pa), 256},
        [SKR_TABLE_PEERS] = {"peers", sizeof(struct skr_abi_peer_key), sizeof(struct skr_abi_peer), 262144},
        [SKR_TABLE_FLOOD] = {"flood", sizeof(struct skr_abi_flood_key), sizeof(struct skr_abi_flood), 262144},
        [SKR_TABLE_NEIGHBORS] = {"neighbors", sizeof(struct skr_abi_address), sizeof(struct skr_abi_neighbor), 65536},
};

const struct skr_fastpath_table_info *skr_fastpath_table_info(enum skr_fastpath_table table)
{
    return &tables[table];
}
