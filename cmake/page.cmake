# web/* and Debian's Bootstrap -> <build>/generated/page_files.{c,inc}: the self-service page, compiled into the controller.
find_file(BOOTSTRAP_CSS bootstrap.min.css PATHS /usr/share/javascript/bootstrap5/css NO_DEFAULT_PATH)
if(NOT BOOTSTRAP_CSS)
  message(FATAL_ERROR "bootstrap.min.css is not there: apt install libjs-bootstrap5")
endif()
file(GLOB_RECURSE page_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/web/*)
set(page_output ${PROJECT_BINARY_DIR}/generated)
add_custom_command(OUTPUT ${page_output}/page_files.c ${page_output}/page_files.inc
  DEPENDS ${page_files} ${BOOTSTRAP_CSS} ${PROJECT_SOURCE_DIR}/cmake/embed_page.cmake
  COMMAND ${CMAKE_COMMAND} -D OUTPUT=${page_output} -D ROOT=${PROJECT_SOURCE_DIR}/web -D STYLE=${BOOTSTRAP_CSS}
          -P ${PROJECT_SOURCE_DIR}/cmake/embed_page.cmake VERBATIM)
target_sources(skr_controller_api PRIVATE ${page_output}/page_files.c ${page_output}/page_files.inc)
target_include_directories(skr_controller_api PRIVATE ${page_output})
