#include "controller/store/sqlite/private.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

Test(checkpoint, waits_for_a_thousand_pages_when_idle)
{
    struct skr_wal wal = {.pages = 1000};
    cr_assert(eq(int, skr_checkpoint_due(&wal, true), SKR_CHECKPOINT_NONE));
    wal.pages = 1001;
    cr_assert(eq(int, skr_checkpoint_due(&wal, true), SKR_CHECKPOINT_PASSIVE));
    cr_assert(eq(int, skr_checkpoint_due(&wal, false), SKR_CHECKPOINT_NONE));
}

Test(checkpoint, does_not_wait_beyond_sixteen_thousand)
{
    struct skr_wal wal = {.pages = 16001};
    cr_assert(eq(int, skr_checkpoint_due(&wal, false), SKR_CHECKPOINT_PASSIVE));
    wal.backfilled = 15000; /* little is left to do */
    cr_assert(eq(int, skr_checkpoint_due(&wal, false), SKR_CHECKPOINT_NONE));
}

Test(checkpoint, restarts_a_log_of_sixty_four_thousand)
{
    struct skr_wal wal = {.pages = 64000, .backfilled = 64000};
    cr_assert(eq(int, skr_checkpoint_due(&wal, false), SKR_CHECKPOINT_RESTART));
}

Test(checkpoint, does_not_try_the_same_again_at_once)
{
    struct skr_wal wal = {.pages = 5000, .tried = 4500};
    cr_assert(eq(int, skr_checkpoint_due(&wal, true), SKR_CHECKPOINT_NONE));
    wal.pages = 5500;
    cr_assert(eq(int, skr_checkpoint_due(&wal, true), SKR_CHECKPOINT_PASSIVE));
}

Test(checkpoint, the_hook_sees_a_log_start_over)
{
    struct skr_wal wal = {.pages = 5000, .backfilled = 5000, .tried = 5000};
    skr_checkpoint_hook(&wal, NULL, "main", 5002);
    cr_assert(eq(u32, wal.pages, 5002));
    cr_assert(eq(u32, wal.backfilled, 5000));
    skr_checkpoint_hook(&wal, NULL, "main", 3);
    cr_assert(eq(u32, wal.pages, 3));
    cr_assert(eq(u32, wal.backfilled, 0));
    cr_assert(eq(u32, wal.tried, 0));
}
