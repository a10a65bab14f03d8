/* mda FOLDER: store standard input as a new file in a folder. The leanest delivery agent. */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    static char buffer[262144];
    char name[4096];
    struct timespec at;
    ssize_t got;
    if (argc < 2)
        return 64;
    clock_gettime(CLOCK_REALTIME, &at);
    snprintf(name, sizeof name, "%s/%lld.%09ld.%d", argv[1], (long long)at.tv_sec, at.tv_nsec,
             (int)getpid());
    int file = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (file < 0)
        return 75;
    while ((got = read(0, buffer, sizeof buffer)) > 0)
        for (ssize_t done = 0, more; done < got; done += more)
            if ((more = write(file, buffer + done, got - done)) < 0)
                return 75;
    return got < 0 || close(file) < 0 ? 75 : 0;
}
