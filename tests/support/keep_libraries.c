/* Libraries stay loaded until the process ends: LeakSanitizer looks for leaks after Open MPI has unloaded its plugins, and
   could not tell their names, by which tests/leaks.supp knows them.  In sanitized programs only (cmake/settings.cmake). */
int dlclose(void *library) {
  (void)library;
  return 0;
}
