# schema/*.sql -> <build>/generated/schema.c: the migrations, in order, compiled into the store.
file(GLOB schema_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/schema/*.sql)
set(schema_output ${PROJECT_BINARY_DIR}/generated/schema.c)
add_custom_command(OUTPUT ${schema_output} DEPENDS ${schema_files} ${PROJECT_SOURCE_DIR}/cmake/embed_schema.cmake
  COMMAND ${CMAKE_COMMAND} -D OUTPUT=${schema_output} "-DFILES=${schema_files}"
          -P ${PROJECT_SOURCE_DIR}/cmake/embed_schema.cmake VERBATIM)
get_target_property(store_type skr_controller_store TYPE)
if(NOT store_type STREQUAL "INTERFACE_LIBRARY")
  target_sources(skr_controller_store PRIVATE ${schema_output})
endif()
