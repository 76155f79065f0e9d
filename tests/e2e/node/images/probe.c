/*
 * A program that says what GPU a container has: `probe THING...` prints one JSON object, one member a thing.
 *
 *   /dev/nvidia0       what open(2) of the path answers: "OK" or the name of the error
 *   libcuda.so.1       where the loader finds the library: its path, or null
 *   NVIDIA_...         the variable of the environment, or null
 *   nvml, cuda         NVML's driver version and count of GPUs; CUDA's count
 *   uid                the user
 *   wait               prints what came so far, and stays until SIGTERM
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_text(const char *text)
{
    if (!text) {
        printf("null");
        return;
    }
    putchar('"');
    for (; *text; text++)
        printf(strchr("\"\\", *text) ? "\\%c" : "%c", *text);
    putchar('"');
}

static void print_opened(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    print_text(fd >= 0 ? "OK" : strerrorname_np(errno));
    if (fd >= 0)
        close(fd);
}

static void print_library(const char *soname)
{
    struct link_map *map;
    void *library = dlopen(soname, RTLD_LAZY);
    print_text(library && dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 ? map->l_name : NULL);
}

static void print_nvml(void)
{
    void *library = dlopen("libnvidia-ml.so.1", RTLD_LAZY);
    if (!library) {
        printf("null");
        return;
    }
    int (*init)(void) = dlsym(library, "nvmlInit_v2");
    int (*version)(char *, unsigned int) = dlsym(library, "nvmlSystemGetDriverVersion");
    int (*count)(unsigned int *) = dlsym(library, "nvmlDeviceGetCount_v2");
    char text[80] = "";
    unsigned int gpus = 0;
    int started = init();
    if (started == 0) {
        version(text, sizeof text);
        count(&gpus);
    }
    printf("{\"init\": %d, \"driverVersion\": ", started);
    print_text(text);
    printf(", \"gpus\": %u}", gpus);
}

static void print_cuda(void)
{
    void *library = dlopen("libcuda.so.1", RTLD_LAZY);
    if (!library) {
        printf("null");
        return;
    }
    int (*init)(unsigned int) = dlsym(library, "cuInit");
    int (*count)(int *) = dlsym(library, "cuDeviceGetCount");
    int gpus = 0;
    int started = init(0);
    if (started == 0)
        count(&gpus);
    printf("{\"init\": %d, \"gpus\": %d}", started, gpus);
}

static void print_thing(const char *thing)
{
    if (thing[0] == '/')
        print_opened(thing);
    else if (strcmp(thing, "nvml") == 0)
        print_nvml();
    else if (strcmp(thing, "cuda") == 0)
        print_cuda();
    else if (strcmp(thing, "uid") == 0)
        printf("%d", (int)getuid());
    else if (strncmp(thing, "lib", 3) == 0)
        print_library(thing);
    else
        print_text(getenv(thing));
}

static void end(int signal)
{
    (void)signal;
    _exit(0);
}

int main(int argc, char **argv)
{
    int stays = 0;
    putchar('{');
    for (int i = 1, printed = 0; i < argc; i++) {
        if (strcmp(argv[i], "wait") == 0) {
            stays = 1;
            continue;
        }
        printf("%s\"%s\": ", printed++ ? ", " : "", argv[i]);
        print_thing(argv[i]);
    }
    puts("}");
    fflush(stdout);
    signal(SIGTERM, end);
    while (stays)
        pause();
    return 0;
}
