#include <criterion/criterion.h>
#include <pthread.h>
#include <skerry/shared_bytes.h>
#include <string.h>

static void *hold_and_release(void *arg)
{
    for (int i = 0; i < 10000; i++)
        skr_shared_bytes_unref(skr_shared_bytes_ref(arg));
    skr_shared_bytes_unref(arg);
    return NULL;
}

/* The sanitizers see a double free, a use after free and a leak. */
Test(shared_bytes, the_last_holder_frees)
{
    pthread_t threads[3];
    struct skr_shared_bytes *bytes = skr_shared_bytes_new(100);
    cr_assert_eq(bytes->size, 100);
    cr_assert_eq(bytes->references, 1);
    memset(bytes->data, 7, bytes->size);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, hold_and_release, skr_shared_bytes_ref(bytes));
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(bytes->references, 1);
    cr_assert_eq(bytes->data[99], 7);
    skr_shared_bytes_unref(bytes);
    skr_shared_bytes_unref(NULL);
}
