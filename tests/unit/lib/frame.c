#include <criterion/criterion.h>
#include <errno.h>
#include <skerry/frame.h>
#include <stdlib.h>
#include <string.h>

static int body_marker;

Test(frame, peeks_at_the_length_before_the_body)
{
    size_t body = 7;
    const uint8_t ok[] = {0, 0, 1, 2}, zero[] = {0, 0, 0, 0}, large[] = {0, 0x10, 0, 1}, huge[] = {255, 255, 255, 255};
    cr_assert_eq(skr_frame_peek(ok, 3, SKR_FRAME_MAX, &body), -EAGAIN);
    cr_assert_eq(skr_frame_peek(zero, 4, SKR_FRAME_MAX, &body), -EBADMSG);
    cr_assert_eq(skr_frame_peek(large, 4, SKR_FRAME_MAX, &body), -EMSGSIZE);
    cr_assert_eq(skr_frame_peek(huge, 4, SKR_FRAME_MAX, &body), -EMSGSIZE);
    cr_assert_eq(skr_frame_peek(ok, 4, 257, &body), -EMSGSIZE);
    cr_assert_eq(body, 7);
    cr_assert_eq(skr_frame_peek(ok, 4, 258, &body), 0);
    cr_assert_eq(body, 258);
}

Test(frame, packs_and_unpacks)
{
    Skerry__V1__Goodbye goodbye = SKERRY__V1__GOODBYE__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT, *back;
    uint8_t *frame;
    size_t size, body;
    goodbye.reason = "over";
    goodbye.reconnect_after_ms = 1234;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_GOODBYE;
    envelope.goodbye = &goodbye;
    cr_assert_eq(skr_frame_pack(&envelope, &frame, &size), 0);
    cr_assert_eq(skr_frame_peek(frame, size, SKR_FRAME_MAX, &body), 0);
    cr_assert_eq(body + SKR_FRAME_HEADER, size);
    cr_assert_eq(skr_frame_unpack(frame + SKR_FRAME_HEADER, body, &back), 0);
    cr_assert_eq(back->body_case, SKERRY__V1__ENVELOPE__BODY_GOODBYE);
    cr_assert_str_eq(back->goodbye->reason, "over");
    cr_assert_eq(back->goodbye->reconnect_after_ms, 1234);
    skr_envelope_free(back);
    skr_envelope_free(NULL);
    free(frame);
}

Test(frame, refuses_what_is_no_single_body_and_leaves_the_output)
{
    static const uint8_t two[] = {0x6a, 0x02, 0x08, 0x01, 0x72, 0x02, 0x08, 0x01}, twice[] = {0x6a, 0, 0x6a, 0},
                         unknown[] = {0xfa, 0x06, 0x00}, varint[] = {0x68, 0x01}, cut[] = {0x6a, 0x02, 0x08},
                         wrong_inside[] = {0x6a, 0x01, 0x08},
                         endless[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const struct {
        const uint8_t *bytes;
        size_t size;
    } bad[] = {{two, sizeof(two)},         {twice, sizeof(twice)},
               {unknown, sizeof(unknown)}, {varint, sizeof(varint)},
               {cut, sizeof(cut)},         {wrong_inside, sizeof(wrong_inside)},
               {endless, sizeof(endless)}, {two, 0}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        Skerry__V1__Envelope *envelope = (Skerry__V1__Envelope *)&body_marker;
        cr_assert_eq(skr_frame_unpack(bad[i].bytes, bad[i].size, &envelope), -EBADMSG, "case %zu", i);
        cr_assert_eq((void *)envelope, (void *)&body_marker);
    }
}

/* 200,000 empty Interfaces of 2 bytes each would unpack into tens of megabytes. */
Test(frame, unpacking_is_bounded)
{
    const size_t count = 200000, inner = count * 2;
    uint8_t *body = malloc(inner + 16);
    size_t at = 0;
    body[at++] = 0x82; /* report = 32, length-delimited */
    body[at++] = 0x02;
    for (size_t left = inner; at < 16; left >>= 7) {
        body[at++] = (uint8_t)((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
        if (left <= 0x7f)
            break;
    }
    for (size_t i = 0; i < count; i++) {
        body[at++] = 4 << 3 | 2;
        body[at++] = 0;
    }
    Skerry__V1__Envelope *envelope;
    cr_assert_eq(skr_frame_unpack(body, at, &envelope), -EBADMSG);
    /* A few of them are an ordinary report. */
    const uint8_t few[] = {0x82, 0x02, 4, 4 << 3 | 2, 0, 4 << 3 | 2, 0};
    cr_assert_eq(skr_frame_unpack(few, sizeof(few), &envelope), 0);
    cr_assert_eq(envelope->report->n_interfaces, 2);
    skr_envelope_free(envelope);
    free(body);
}
