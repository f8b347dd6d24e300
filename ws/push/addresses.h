/*
 * How many clients come from an address, over all threads: for the option clients_per_address. Locked,
 * because it is touched twice in a connection's life, and only where the option is set.
 */
#ifndef WSPUSH_PUSH_ADDRESSES_H
#define WSPUSH_PUSH_ADDRESSES_H

#include <stdbool.h>
#include <stdint.h>

/* A peer's address. family 0: a Unix socket, without a word of whom. */
struct address {
    uint8_t family; /* AF_INET, AF_INET6 or 0 */
    uint8_t bytes[16];
};

/* From a sockaddr or a text; an IPv4 address that is mapped into IPv6 (RFC 4291 section 2.5.5.2) is IPv4.
 * False, and family 0, where it is none. */
struct sockaddr;
bool address_from(struct address *out, const struct sockaddr *from);
bool address_parse(struct address *out, const char *text);

enum { ADDRESS_TEXT_MAX = 46 };

/* As text; "unix" for family 0. Returns `out`. */
const char *address_text(const struct address *a, char out[ADDRESS_TEXT_MAX]);

struct addresses;

struct addresses *addresses_new(void);
void addresses_free(struct addresses *a);
/* Counts one more, if there are fewer than `limit`. An IPv6 address counts by its network of 64 bits, which
 * is what one household is given. */
bool addresses_enter(struct addresses *a, const struct address *address, uint64_t limit);
/* One that was let in is gone. */
void addresses_leave(struct addresses *a, const struct address *address);

#endif
