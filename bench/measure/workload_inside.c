/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Workloads that run in a container, in scripts that any POSIX shell understands. What they write
 * goes into /bench, in the root that is measured, and is removed by them: some subjects share their
 * root. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "bench/measure/workload.h"
#include "core/base/fs.h"

#define ARCHIVE_FILES 2000
#define ARCHIVE_FILE_MAX 32768
#define TAR_BLOCK 512

static void payload_words(const struct workload *workload, struct strv *payload)
{
	cleanup_free char *words = xstrdup(workload->does->words);
	char *save = NULL;

	for (char *word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save))
		strv_add(payload, word);
}

static void payload_script(const struct workload *workload, struct strv *payload)
{
	strv_add(payload, "sh");
	strv_add(payload, "-c");
	strv_take(payload,
	          xasprintf("mkdir -p /bench && cd /bench && { %s; }; s=$?; cd / && rm -rf "
	                    "/bench; exit $s",
	                    workload->does->words));
}

/* --- fio ------------------------------------------------------------------------------------- */

static void payload_fio(const struct workload *workload, struct strv *payload)
{
	strv_add(payload, "sh");
	strv_add(payload, "-c");
	strv_take(payload,
	          xasprintf("mkdir -p /bench && fio --name=bench --directory=/bench --size=256M "
	                    "--direct=1 --ioengine=psync --runtime=3 --time_based %s "
	                    "--write_bw_log=/bench/log --log_avg_msec=" WORKLOAD_FIO_STEP
	                    " --output-format=json; s=$?; cat /bench/log_bw.*.log; "
	                    "rm -rf /bench; exit $s",
	                    workload->does->words));
}

/* A job file, by standard input; "directory" in it is its own affair. */
static void payload_fio_file(const struct workload *workload, struct strv *payload)
{
	(void)workload;
	strv_add(payload, "sh");
	strv_add(payload, "-c");
	strv_add(payload,
	         "mkdir -p /bench && cd /bench && { echo '[global]'; "
	         "echo write_bw_log=/bench/log; echo log_avg_msec=" WORKLOAD_FIO_STEP "; cat; } | "
	         "fio --output-format=json -; s=$?; cat /bench/log_bw.*.log; cd / && "
	         "rm -rf /bench; exit $s");
}

static char *input_fio_file(const struct bench *bench, const struct workload *workload,
                            struct stor_err *err)
{
	(void)bench;
	if (!access(workload->argument, R_OK))
		return xstrdup(workload->argument);
	err_fail(err, STOR_NOT_FOUND, errno, "workload %s: read the job file", workload->name);
	return NULL;
}

/* --- sysbench -------------------------------------------------------------------------------- */

/* "events per second: 1234.56", or of memory "(1234.56 MiB/sec)". */
static int read_sysbench(const char *output, struct reading *reading, struct stor_err *err)
{
	static const char events[] = "events per second:", total[] = "total number of events:",
			  time[] = "total time:";
	const char *at = strstr(output, events), *count = strstr(output, total),
		   *seconds = strstr(output, time);
	double number = 0, taken = 0;

	if (at)
		sscanf(at + sizeof(events) - 1, "%lf", &number);
	else if (count && seconds && sscanf(count + sizeof(total) - 1, "%lf", &number) == 1 &&
	         sscanf(seconds + sizeof(time) - 1, "%lf", &taken) == 1 && taken > 0)
		number /= taken;
	if (number <= 0)
		return err_fail(err, STOR_FAILED, 0, "sysbench told no events per second");
	reading_add(reading, "events", number);
	return 0;
}

/* --- an archive ------------------------------------------------------------------------------ */

/* The same bytes each time: a generator of numbers with a fixed seed (Marsaglia's xorshift). */
static uint32_t next_number(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* A header of the ustar format (POSIX.1-1988). */
static void put_header(struct strbuf *tar, const char *name, size_t size)
{
	char block[TAR_BLOCK] = { 0 };
	unsigned sum = 0;

	snprintf(block, 100, "%s", name);
	snprintf(block + 100, 8, "%07o", 0644u);
	snprintf(block + 108, 8, "%07o", 0u);
	snprintf(block + 116, 8, "%07o", 0u);
	snprintf(block + 124, 12, "%011zo", size);
	snprintf(block + 136, 12, "%011o", 0u);
	memset(block + 148, ' ', 8);
	block[156] = '0';
	snprintf(block + 257, 6, "ustar");
	block[263] = block[264] = '0';
	for (size_t i = 0; i < sizeof(block); i++)
		sum += (unsigned char)block[i];
	snprintf(block + 148, 8, "%06o", sum);
	strbuf_add(tar, block, sizeof(block));
}

static char *input_archive(const struct bench *bench, const struct workload *workload,
                           struct stor_err *err)
{
	cleanup_free char *path = xasprintf("%s/tree.tar", bench->folder);
	cleanup_strbuf struct strbuf tar = STRBUF_INIT;
	static const char end[2 * TAR_BLOCK];
	char data[ARCHIVE_FILE_MAX + TAR_BLOCK] = { 0 };
	uint32_t state = 2463534242u;

	(void)workload;
	for (unsigned i = 0; i < ARCHIVE_FILES; i++) {
		size_t size = next_number(&state) % ARCHIVE_FILE_MAX;
		char name[64];

		snprintf(name, sizeof(name), "tree/%u/%u/file-%u.c", i % 20, i % 7, i);
		put_header(&tar, name, size);
		for (size_t at = 0; at < size; at++)
			data[at] = (char)('a' + next_number(&state) % 26);
		strbuf_add(&tar, data, (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK);
	}
	strbuf_add(&tar, end, sizeof(end));
	return fs_write_file(AT_FDCWD, path, tar.text, tar.length, 0600, false, err) < 0
	               ? NULL
	               : steal_ptr(&path);
}

/* --- the table ------------------------------------------------------------------------------- */

#define SCRIPT(the_name, the_summary, the_words)                                                   \
	{                                                                                          \
		.name = (the_name), .summary = (the_summary), .metric = "seconds",                 \
		.payload = payload_script, .words = (the_words)                                    \
	}
#define FIO(the_name, the_summary, the_metric, the_words)                                          \
	{                                                                                          \
		.name = (the_name), .summary = (the_summary), .metric = (the_metric),              \
		.program = "fio", .payload = payload_fio, .read = workload_read_fio,               \
		.words = (the_words)                                                               \
	}
#define SYSBENCH(the_name, the_summary, the_words)                                                 \
	{                                                                                          \
		.name = (the_name), .summary = (the_summary), .metric = "events",                  \
		.program = "sysbench", .payload = payload_script, .read = read_sysbench,           \
		.words = (the_words)                                                               \
	}

const struct workload_kind workloads_in_containers[] = {
	{ .name = "start",
	  .summary = "from the start of a container that does nothing to its end",
	  .metric = "seconds",
	  .payload = payload_words,
	  .words = "/bin/true" },
	FIO("fio-randread", "random reads of 4 KiB, 16 at a time", "iops",
	    "--rw=randread --bs=4k --ioengine=libaio --iodepth=16"),
	FIO("fio-randwrite", "random writes of 4 KiB, 16 at a time", "iops",
	    "--rw=randwrite --bs=4k --ioengine=libaio --iodepth=16"),
	FIO("fio-randrw", "random reads and writes of 4 KiB, one at a time", "iops",
	    "--rw=randrw --bs=4k"),
	FIO("fio-read", "reads of 1 MiB in order", "bandwidth", "--rw=read --bs=1M"),
	FIO("fio-write", "writes of 1 MiB in order", "bandwidth", "--rw=write --bs=1M"),
	FIO("fio-fsync", "writes of 4 KiB, each synced", "iops",
	    "--rw=randwrite --bs=4k --fsync=1 --direct=0"),
	{ .name = "fio",
	  .summary = "fio:FILE, the jobs of a file of yours",
	  .metric = "iops",
	  .program = "fio",
	  .payload = payload_fio_file,
	  .read = workload_read_fio,
	  .input = input_fio_file },
	SYSBENCH("sysbench-cpu", "prime numbers up to 20000",
	         "sysbench cpu --cpu-max-prime=20000 run"),
	SYSBENCH("sysbench-memory", "writes of memory", "sysbench memory run"),
	SYSBENCH("sysbench-threads", "threads that contend for locks",
	         "sysbench threads --threads=8 run"),
	SYSBENCH("sysbench-fileio", "reads and writes of 16 KiB of files",
	         "sysbench fileio --file-total-size=128M prepare >/dev/null && sysbench fileio "
	         "--file-total-size=128M --file-test-mode=rndrw --time=5 run"),
	{ .name = "iperf3",
	  .summary = "bytes a second to the host, over a network",
	  .metric = "bandwidth",
	  .program = "iperf3",
	  .has_network = true,
	  .payload = workload_iperf_payload,
	  .read = workload_iperf_read },
	{ .name = "untar",
	  .summary = "unpacks 2000 files, and syncs them",
	  .metric = "seconds",
	  .payload = payload_script,
	  .input = input_archive,
	  .words = "tar -xf - && sync -f . 2>/dev/null || sync" },
	SCRIPT("compile-tree", "reads and writes many small files, as compilers do",
	       "i=0; while [ $i -lt 400 ]; do d=d$((i % 20)); mkdir -p $d; echo \"int f$i(void) { "
	       "return "
	       "$i; }\" >$d/f$i.c; cat $d/f$i.c $d/*.c >$d/f$i.o; i=$((i + 1)); done; cat d*/*.o "
	       ">all"),
	SCRIPT("metadata", "makes, renames and removes 1000 files",
	       "i=0; while [ $i -lt 1000 ]; do : >f$i; mv f$i g$i; i=$((i + 1)); done; ls -l "
	       ">/dev/null; rm -f "
	       "g*"),
	SCRIPT("dd-write", "writes 256 MiB in order, and syncs them",
	       "dd if=/dev/zero of=file bs=1048576 count=256 conv=fsync 2>/dev/null"),
	{ .name = NULL },
};
