/*
 * A stand-in for libnvidia-ml.so.1 (NVML) on a machine without a GPU: what NVIDIA's device plugin and the probe ask for.
 *
 * Built with -DDRIVER_VERSION. Names, types and codes are those of NVIDIA's NVML API reference:
 * https://docs.nvidia.com/deploy/nvml-api/
 */
#include "devices.h"

#include <stdlib.h>
#include <string.h>

typedef int nvmlReturn_t;
typedef struct gpu *nvmlDevice_t;
typedef struct event_set *nvmlEventSet_t;

enum {
    NVML_SUCCESS = 0,
    NVML_ERROR_UNINITIALIZED = 1,
    NVML_ERROR_INVALID_ARGUMENT = 2,
    NVML_ERROR_NOT_SUPPORTED = 3,
    NVML_ERROR_NOT_FOUND = 6,
    NVML_ERROR_INSUFFICIENT_SIZE = 7,
    NVML_ERROR_DRIVER_NOT_LOADED = 9,
    NVML_ERROR_TIMEOUT = 10,
};

enum { NVML_BRAND_TESLA = 2, NVML_DEVICE_ARCH_AMPERE = 7, NVML_TOPOLOGY_SYSTEM = 50 };

#define EXPORTED __attribute__((visibility("default")))

struct gpu {
    int minor;
    char uuid[64];
    char bus_id[32];
};

struct event_set {
    int unused;
};

typedef struct {
    char bus_id_legacy[16];
    unsigned int domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
} nvmlPciInfo_t;

typedef struct {
    unsigned long long total, free, used;
} nvmlMemory_t;

typedef struct {
    unsigned int version;
    unsigned long long total, reserved, free, used;
} nvmlMemory_v2_t;

static struct gpu gpus[MOST_DEVICES];
static int gpu_count;
static int users;

static const unsigned long long MEMORY = 16ULL << 30;

static void look_for_gpus(void)
{
    int minors[MOST_DEVICES];
    gpu_count = openable_gpus(minors);
    for (int i = 0; i < gpu_count; i++) {
        gpus[i].minor = minors[i];
        snprintf(gpus[i].uuid, sizeof gpus[i].uuid, "GPU-00000000-0000-4000-8000-%012d", minors[i]);
        snprintf(gpus[i].bus_id, sizeof gpus[i].bus_id, "00000000:%02X:00.0", minors[i] + 1);
    }
}

static nvmlReturn_t copy(const char *text, char *to, unsigned int length)
{
    if (strlen(text) >= length)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(to, text);
    return NVML_SUCCESS;
}

EXPORTED nvmlReturn_t nvmlInit_v2(void)
{
    if (!may_open("/dev/nvidiactl"))
        return NVML_ERROR_DRIVER_NOT_LOADED;
    if (users++ == 0)
        look_for_gpus();
    return NVML_SUCCESS;
}

EXPORTED nvmlReturn_t nvmlInitWithFlags(unsigned int flags)
{
    (void)flags;
    return nvmlInit_v2();
}

EXPORTED nvmlReturn_t nvmlShutdown(void)
{
    if (users == 0)
        return NVML_ERROR_UNINITIALIZED;
    users--;
    return NVML_SUCCESS;
}

EXPORTED const char *nvmlErrorString(nvmlReturn_t result)
{
    switch (result) {
    case NVML_SUCCESS: return "Success";
    case NVML_ERROR_UNINITIALIZED: return "Uninitialized";
    case NVML_ERROR_INVALID_ARGUMENT: return "Invalid Argument";
    case NVML_ERROR_NOT_SUPPORTED: return "Not Supported";
    case NVML_ERROR_NOT_FOUND: return "Not Found";
    case NVML_ERROR_INSUFFICIENT_SIZE: return "Insufficient Size";
    case NVML_ERROR_DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case NVML_ERROR_TIMEOUT: return "Timeout";
    default: return "Unknown Error";
    }
}

EXPORTED nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
    return copy(DRIVER_VERSION, version, length);
}

EXPORTED nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version)
{
    *version = 12020;
    return NVML_SUCCESS;
}

EXPORTED nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    return nvmlSystemGetCudaDriverVersion(version);
}

EXPORTED nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count)
{
    *count = gpu_count;
    return users ? NVML_SUCCESS : NVML_ERROR_UNINITIALIZED;
}

EXPORTED nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
    if (index >= (unsigned int)gpu_count)
        return NVML_ERROR_INVALID_ARGUMENT;
    *device = &gpus[index];
    return NVML_SUCCESS;
}

EXPORTED nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
    for (int i = 0; i < gpu_count; i++) {
        if (strcmp(gpus[i].uuid, uuid) == 0) {
            *device = &gpus[i];
            return NVML_SUCCESS;
        }
    }
    return NVML_ERROR_NOT_FOUND;
}

EXPORTED nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length)
{
    return copy(device->uuid, uuid, length);
}

EXPORTED nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length)
{
    (void)device;
    return copy("Stand-in GPU", name, length);
}

EXPORTED nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *index)
{
    *index = device - gpus;
    return NVML_SUCCESS;
}

EXPORTED nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned int *minor)
{
    *minor = device->minor;
    return NVML_SUCCESS;
}

EXPORTED nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *info)
{
    memset(info, 0, sizeof *info);
    info->bus = device->minor + 1;
    info->pci_device_id = 0x20b010de;
    strcpy(info->bus_id, device->bus_id);
    strcpy(info->bus_id_legacy, device->bus_id + 4);
    return NVML_SUCCESS;
}

EXPORTED nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    (void)device;
    *memory = (nvmlMemory_t){.total = MEMORY, .free = MEMORY};
    return NVML_SUCCESS;
}

EXPORTED nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
    (void)device;
    memory->total = memory->free = MEMORY;
    memory->reserved = memory->used = 0;
    return NVML_SUCCESS;
}

EXPORTED nvmlReturn_t nvmlDeviceGetBrand(nvmlDevice_t device, int *brand)
{
    (void)device;
    *brand = NVML_BRAND_TESLA;
    return NVML_SUCCESS;
}

EXPORTED nvmlReturn_t nvmlDeviceGetArchitecture(nvmlDevice_t device, unsigned int *architecture)
{
    (void)device;
    *architecture = NVML_DEVICE_ARCH_AMPERE;
    return NVML_SUCCESS;
}

EXPORTED nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor)
{
    (void)device;
    *major = 8;
    *minor = 0;
    return NVML_SUCCESS;
}

EXPORTED nvmlReturn_t nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t one, nvmlDevice_t other, int *level)
{
    (void)one;
    (void)other;
    *level = NVML_TOPOLOGY_SYSTEM;
    return NVML_SUCCESS;
}

/* Health: events are offered, and none ever happens. */

EXPORTED nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set)
{
    *set = malloc(sizeof **set);
    return NVML_SUCCESS;
}

EXPORTED nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set)
{
    free(set);
    return NVML_SUCCESS;
}

EXPORTED nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long *types)
{
    (void)device;
    *types = ~0ULL;
    return NVML_SUCCESS;
}

EXPORTED nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set)
{
    (void)device;
    (void)types;
    (void)set;
    return NVML_SUCCESS;
}

EXPORTED nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, void *data, unsigned int milliseconds)
{
    (void)set;
    (void)data;
    usleep(milliseconds * 1000);
    return NVML_ERROR_TIMEOUT;
}

/* A caller that looks for one of these must find it; on these GPUs the answer is no. */
#define NOT_SUPPORTED(name) \
    EXPORTED nvmlReturn_t name(void) { return NVML_ERROR_NOT_SUPPORTED; }

NOT_SUPPORTED(nvmlDeviceGetMigMode)
NOT_SUPPORTED(nvmlDeviceGetMaxMigDeviceCount)
NOT_SUPPORTED(nvmlDeviceGetMigDeviceHandleByIndex)
NOT_SUPPORTED(nvmlDeviceIsMigDeviceHandle)
NOT_SUPPORTED(nvmlDeviceGetDeviceHandleFromMigDeviceHandle)
NOT_SUPPORTED(nvmlDeviceGetGpuInstanceId)
NOT_SUPPORTED(nvmlDeviceGetComputeInstanceId)
NOT_SUPPORTED(nvmlDeviceGetGpuInstanceProfileInfo)
NOT_SUPPORTED(nvmlDeviceGetNvLinkState)
NOT_SUPPORTED(nvmlDeviceGetNvLinkRemotePciInfo_v2)
NOT_SUPPORTED(nvmlDeviceGetGpuFabricInfo)
NOT_SUPPORTED(nvmlDeviceGetGpuFabricInfoV)
NOT_SUPPORTED(nvmlDeviceGetAddressingMode)
