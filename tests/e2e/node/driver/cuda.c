/*
 * A stand-in for libcuda.so.1, the driver's library that CUDA programs load: as much as shows whether a GPU can be used.
 *
 * Names and codes are those of NVIDIA's CUDA driver API: https://docs.nvidia.com/cuda/cuda-driver-api/
 */
#include "devices.h"

enum { CUDA_SUCCESS = 0, CUDA_ERROR_NOT_INITIALIZED = 3, CUDA_ERROR_NO_DEVICE = 100 };

static int minors[MOST_DEVICES];
static int gpu_count;

int cuInit(unsigned int flags)
{
    (void)flags;
    gpu_count = may_open("/dev/nvidiactl") && may_open("/dev/nvidia-uvm") ? openable_gpus(minors) : 0;
    return gpu_count ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
}

int cuDeviceGetCount(int *count)
{
    *count = gpu_count;
    return gpu_count ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}

int cuDriverGetVersion(int *version)
{
    *version = 12020;
    return CUDA_SUCCESS;
}
