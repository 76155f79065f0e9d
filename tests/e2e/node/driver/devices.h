/*
 * What the stand-in libraries share: which of the node's GPUs this process may open.
 *
 * There is no driver behind the character nodes, so open(2) of one that is there and allowed gives ENXIO. As with NVIDIA's
 * libraries, a GPU counts only where its node can be opened.
 */
#ifndef DEVICES_H
#define DEVICES_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { MOST_DEVICES = 16 };

static int may_open(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd >= 0 || errno == ENXIO;
}

/* Write the minor numbers of the GPUs that may be opened, in order, and return how many there are. */
static int openable_gpus(int minors[MOST_DEVICES])
{
    char path[32];
    int count = 0;
    for (int minor = 0; minor < MOST_DEVICES; minor++) {
        snprintf(path, sizeof path, "/dev/nvidia%d", minor);
        if (may_open(path))
            minors[count++] = minor;
    }
    return count;
}

#endif
