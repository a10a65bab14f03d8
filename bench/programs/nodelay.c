/* For LD_PRELOAD: every TCP connection that a program opens gets TCP_NODELAY. fetchmail writes a
   command in pieces, and Nagle's algorithm then waits for the peer's delayed acknowledgement. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

int connect(int descriptor, const struct sockaddr *address, socklen_t length) {
    int (*original)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
    int on = 1;
    if (address->sa_family == AF_INET || address->sa_family == AF_INET6)
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return original(descriptor, address, length);
}
