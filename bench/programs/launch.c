/* launch FILE COMMAND...: run a command, and write what it and its children used to a file:
   nanoseconds of wall time, microseconds of CPU time, kilobytes of its largest process, status.
   A small program does this, because a process counts the memory that its parent had as its own
   until it calls exec. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static long long microseconds(struct timeval span) {
    return span.tv_sec * 1000000LL + span.tv_usec;
}

int main(int argc, char **argv) {
    struct rusage used;
    int status;
    if (argc < 3)
        return 2;
    long long began = now();
    pid_t child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &used) != child)
        return 1;
    long long wall = now() - began;
    FILE *file = fopen(argv[1], "w");
    if (!file)
        return 1;
    fprintf(file, "%lld %lld %ld %d\n", wall,
            microseconds(used.ru_utime) + microseconds(used.ru_stime), used.ru_maxrss,
            WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
    return fclose(file) ? 1 : 0;
}
