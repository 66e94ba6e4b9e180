# The page of reports: page.html with style.css and the scripts put into it, as a string in report_page.cpp.
# A script may use what stands in those before it; functions may use each other wherever they stand.
set(page_scripts numbers elements axes charts records headline learning breakdowns viewer exhaustive midi kinds
  configuration main)

function(put_into page mark file)
  file(READ ${file} text)
  string(REPLACE "${mark}" "${text}" filled "${${page}}")
  set(${page} "${filled}" PARENT_SCOPE)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
endfunction()

set(folder ${CMAKE_CURRENT_LIST_DIR}/page)
set(REPORT_PAGE "{{PAGE}}")
put_into(REPORT_PAGE "{{PAGE}}" ${folder}/page.html)
put_into(REPORT_PAGE "{{STYLE}}" ${folder}/style.css)
foreach(script IN LISTS page_scripts)
  string(REPLACE "{{SCRIPTS}}" "{{SCRIPT}}\n{{SCRIPTS}}" REPORT_PAGE "${REPORT_PAGE}")
  put_into(REPORT_PAGE "{{SCRIPT}}" ${folder}/${script}.js)
endforeach()
string(REPLACE "{{SCRIPTS}}" "" REPORT_PAGE "${REPORT_PAGE}")
configure_file(${CMAKE_CURRENT_LIST_DIR}/report_page.cpp.in report_page.cpp @ONLY)
