#include "upgrade.h"

#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <stdio.h>
#include <string.h>

#include "../must.h"

static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
static const char name[] = "\r\nSec-WebSocket-Key: ";
enum { KEY = 24 };

size_t upgrade_answer(const char *request, size_t len, char out[UPGRADE_ANSWER])
{
    struct sha1_ctx sha;
    uint8_t digest[SHA1_DIGEST_SIZE];
    char accept[BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE) + 1] = {0};
    if (!memmem(request, len, "\r\n\r\n", 4))
        return 0;
    const char *key = memmem(request, len, name, sizeof name - 1);
    if (!key)
        die("a request without a key");
    sha1_init(&sha);
    sha1_update(&sha, KEY, (const uint8_t *)key + sizeof name - 1);
    sha1_update(&sha, sizeof magic - 1, (const uint8_t *)magic);
    sha1_digest(&sha, sizeof digest, digest);
    base64_encode_raw(accept, sizeof digest, digest);
    return (size_t)snprintf(out, UPGRADE_ANSWER,
                            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                            "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                            accept);
}
