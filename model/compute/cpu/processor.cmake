# The processor that the kernels are compiled for, as flags: processor_flags.
# What "native" stands for is asked of the compiler and written out: so a build folder that meets another processor compiles
# the kernels anew when it is configured, and ccache, which goes by the flags, does not take another processor's.
if(CMAKE_CROSSCOMPILING)
  set(default_arch "")
else()
  set(default_arch native)
endif()
set(BYTECPU_ARCH "${default_arch}" CACHE STRING
  "Processor to compile the model's kernels for, as in -march=: native is this one; x86-64-v3 suits most; empty is any")
set(processor_flags)
if(BYTECPU_ARCH)
  set(processor_flags -march=${BYTECPU_ARCH})
endif()
if(BYTECPU_ARCH STREQUAL native)
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -march=native -E -x c++ "-###" /dev/null
    ERROR_VARIABLE command OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    string(REGEX MATCHALL "[\" ]-m[^\" \n]+" found "${command}")
    string(REGEX REPLACE "[\" ]" "" processor_flags "${found}")
  else()
    string(REGEX MATCHALL "\"-target-(cpu|feature)\" \"[^\"]+\"" found "${command}")
    list(TRANSFORM found REPLACE "\"(.*)\" \"(.*)\"" "-Xclang;\\1;-Xclang;\\2" OUTPUT_VARIABLE processor_flags)
  endif()
  if(NOT processor_flags)
    message(FATAL_ERROR "what -march=native stands for is not to be had of ${CMAKE_CXX_COMPILER}: give -DBYTECPU_ARCH=")
  endif()
endif()
message(STATUS "The model's kernels are compiled for: ${BYTECPU_ARCH}")
