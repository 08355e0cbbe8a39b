# agent/bpf/*.bpf.c -> <build>/ebpf/*.bpf.o and a skeleton *.skel.h. No vmlinux.h: the programs use the kernel's user
# space ABI (struct __sk_buff) alone, so they build on a machine without BTF and need no relocation.
find_program(CLANG clang REQUIRED)
find_program(BPFTOOL bpftool PATHS /usr/sbin REQUIRED)
file(GLOB ebpf_programs CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/agent/bpf/*.bpf.c)
file(GLOB_RECURSE ebpf_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/agent/bpf/*.h
     ${PROJECT_SOURCE_DIR}/include/skerry/abi/*.h)
set(ebpf_output ${PROJECT_BINARY_DIR}/ebpf)
file(MAKE_DIRECTORY ${ebpf_output})
execute_process(COMMAND ${CMAKE_C_COMPILER} -print-multiarch OUTPUT_VARIABLE multiarch OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT multiarch)
  set(multiarch x86_64-linux-gnu)
endif()
foreach(file ${ebpf_programs})
  get_filename_component(stem ${file} NAME_WE)
  add_custom_command(OUTPUT ${ebpf_output}/${stem}.bpf.o DEPENDS ${file} ${ebpf_headers}
    COMMAND ${CLANG} -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-missing-field-initializers
            -I${PROJECT_SOURCE_DIR}/include -I${PROJECT_SOURCE_DIR} -I/usr/include/${multiarch}
            -c ${file} -o ${ebpf_output}/${stem}.bpf.o VERBATIM)
  add_custom_command(OUTPUT ${ebpf_output}/${stem}.skel.h DEPENDS ${ebpf_output}/${stem}.bpf.o
    COMMAND ${BPFTOOL} gen skeleton ${ebpf_output}/${stem}.bpf.o name skr_${stem} > ${ebpf_output}/${stem}.skel.h
    VERBATIM)
  list(APPEND ebpf_skeletons ${ebpf_output}/${stem}.skel.h)
endforeach()
add_custom_target(ebpf_skeletons DEPENDS ${ebpf_skeletons})
add_library(skr_ebpf INTERFACE)
add_dependencies(skr_ebpf ebpf_skeletons)
target_include_directories(skr_ebpf SYSTEM INTERFACE ${ebpf_output})
