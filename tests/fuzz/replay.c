/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands in for the fuzzer: gives each file named on the command line to the target once.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static int replay(const char *path)
{
	uint8_t *data = NULL;
	long bytes = 0;
	int rc = -1;
	FILE *file = fopen(path, "rb");

	if (!file)
		goto out;
	if (fseek(file, 0, SEEK_END) != 0 || (bytes = ftell(file)) < 0 || fseek(file, 0, SEEK_SET) != 0)
		goto out;
	/* Exactly as long as the input, so that the sanitizer sees a byte too far. */
	data = malloc(bytes > 0 ? (size_t)bytes : 1);
	if (!data || fread(data, 1, (size_t)bytes, file) != (size_t)bytes)
		goto out;
	rc = LLVMFuzzerTestOneInput(data, (size_t)bytes);
out:
	if (rc != 0)
		fprintf(stderr, "%s: cannot be replayed\n", path);
	free(data);
	if (file)
		fclose(file);
	return rc;
}

int main(int argc, char **argv)
{
	int failures = 0;

	for (int i = 1; i < argc; i++)
		failures += replay(argv[i]) != 0;
	printf("%d inputs replayed\n", argc - 1 - failures);
	return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
