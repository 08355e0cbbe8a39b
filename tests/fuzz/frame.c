/* rooms: lib */
/* A peer on port 6653 can send any stream of frames: the target peeks at each and unpacks it; a frame that unpacks must
 * pack again. */
#include <skerry/frame.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    while (size) {
        size_t body = 0;
        int r = skr_frame_peek(data, size, SKR_FRAME_MAX, &body);
        if (r < 0 || body > size - SKR_FRAME_HEADER)
            return 0;
        Skerry__V1__Envelope *envelope = NULL;
        if (skr_frame_unpack(data + SKR_FRAME_HEADER, body, &envelope) == 0) {
            uint8_t *packed = NULL;
            size_t packed_size = 0;
            if (skr_frame_pack(envelope, &packed, &packed_size) == 0 && packed_size < SKR_FRAME_HEADER)
                abort();
            free(packed);
            skr_envelope_free(envelope);
        } else if (envelope) {
            abort(); /* outputs stay untouched on failure */
        }
        data += SKR_FRAME_HEADER + body;
        size -= SKR_FRAME_HEADER + body;
    }
    return 0;
}
