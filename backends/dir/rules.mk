$(eval $(call define-backend,dir,backends/dir/dir.c,))
