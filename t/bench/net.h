/*
 * Sockets of the bench. Addresses are texts: "127.0.0.1:8080" or "unix:/tmp/x/ws.sock". What goes wrong here
 * ends the program, but for what a busy server may say to one who connects.
 */
#ifndef WSPUSH_T_BENCH_NET_H
#define WSPUSH_T_BENCH_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

struct net_address {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_un un;
    } to;
    socklen_t len;
};

struct net_address net_parse(const char *text);
/* A listening socket that does not block; a path that is there already is replaced. */
int net_listen(const char *text);
/* A connected socket that blocks. */
int net_connect(const char *text);
/* A socket that does not block and is connected or about to be; -1 if the server has refused (errno). Over
 * TCP every few thousandth `nth` comes from another address of 127/8: the kernel is slow to find a free port
 * where half of them are taken. */
int net_begin_connect(const struct net_address *address, size_t nth);
/* TCP_NODELAY, where it is TCP. */
void net_no_delay(int fd);
/* Writes all to a socket that does not block, waiting for its reader; false if the peer is gone. */
bool net_send_all(int fd, const void *bytes, size_t len);
/* RLIMIT_NOFILE as high as it goes. */
void net_all_descriptors(void);

#endif
