$(eval $(call define-internal,blkid,modules/blkid/blkid.c,blkid))
