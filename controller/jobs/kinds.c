#include "controller/jobs/private.h"

static const struct skr_job_kind *const kinds[] = {
        &skr_job_migrate,           &skr_job_drain,  &skr_job_replace,
        &skr_job_remediate,         &skr_job_backup, &skr_job_deploy_host_switch,
        &skr_job_remove_host_switch};

const struct skr_job_kind *skr_job_kind_find(const char *name)
{
    for (size_t i = 0; i < SKR_ARRAY_SIZE(kinds); i++)
        if (!strcmp(kinds[i]->name, name))
            return kinds[i];
    return NULL;
}
