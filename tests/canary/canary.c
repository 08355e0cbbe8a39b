/* Tests that must be seen to fail: if one of them passes, the harness is blind (tests/canary/run.py). */
#include <criterion/criterion.h>
#include <limits.h>
#include <stdlib.h>

Test(canary, leak)
{
    char *volatile lost = malloc(64);
    lost = NULL;
    (void)lost;
}

Test(canary, overflow)
{
    volatile int most = INT_MAX;
    volatile int more = most + 1;
    (void)more;
}

Test(canary, assertion)
{
    cr_assert(0 == 1);
}
