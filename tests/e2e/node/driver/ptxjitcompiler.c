/* A stand-in for libnvidia-ptxjitcompiler.so.1, which libcuda.so.1 loads when it has PTX to compile: here it never has. */
const char ptxjitcompiler_driver_version[] = DRIVER_VERSION;
