// Where libmemcached puts keys. Usage: libmemcached PRESET[/HASH] SERVER... < keys
// SERVER is host:port*weight or unix:path*weight. Prints one base-36 digit for each line read.
// With PRESET "hash" it prints the hash of each key instead, as eight hex digits.
#include <libmemcached/memcached.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  memcached_hash_t hash;
} hashes[] = {
    {"default", MEMCACHED_HASH_DEFAULT},   {"md5", MEMCACHED_HASH_MD5},
    {"crc", MEMCACHED_HASH_CRC},           {"fnv1_64", MEMCACHED_HASH_FNV1_64},
    {"fnv1a_64", MEMCACHED_HASH_FNV1A_64}, {"fnv1_32", MEMCACHED_HASH_FNV1_32},
    {"fnv1a_32", MEMCACHED_HASH_FNV1A_32}, {"murmur", MEMCACHED_HASH_MURMUR},
    {"murmur3", MEMCACHED_HASH_MURMUR3},   {"jenkins", MEMCACHED_HASH_JENKINS},
};

static void must(memcached_return_t rc, const char *what) {
  if (rc == MEMCACHED_SUCCESS) return;
  fprintf(stderr, "%s: %s\n", what, memcached_strerror(NULL, rc));
  exit(1);
}

static memcached_hash_t find_hash(const char *name) {
  for (size_t i = 0; i < sizeof hashes / sizeof *hashes; ++i)
    if (strcmp(hashes[i].name, name) == 0) return hashes[i].hash;
  fprintf(stderr, "no hash %s\n", name);
  exit(1);
}

int main(int argc, char **argv) {
  if (argc < 2) return 1;
  char *preset = argv[1];
  char *hash = strchr(preset, '/');
  if (hash) *hash++ = '\0';

  // The distribution is set before the servers are added: set after them it loses the weights.
  memcached_st *mc = memcached_create(NULL);
  const struct {
    const char *name;
    memcached_behavior_t behavior;
    uint64_t value;
  } presets[] = {
      {"libmemcached-modula", MEMCACHED_BEHAVIOR_DISTRIBUTION, MEMCACHED_DISTRIBUTION_MODULA},
      {"libmemcached-consistent", MEMCACHED_BEHAVIOR_DISTRIBUTION,
       MEMCACHED_DISTRIBUTION_CONSISTENT},
      {"libmemcached-ketama", MEMCACHED_BEHAVIOR_KETAMA, 1},
      {"libmemcached-ketama-weighted", MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1},
      {"libmemcached-spy", MEMCACHED_BEHAVIOR_DISTRIBUTION,
       MEMCACHED_DISTRIBUTION_CONSISTENT_KETAMA_SPY},
  };
  int known = strcmp(preset, "hash") == 0;
  for (size_t i = 0; i < sizeof presets / sizeof *presets; ++i) {
    if (strcmp(presets[i].name, preset) != 0) continue;
    known = 1;
    must(memcached_behavior_set(mc, presets[i].behavior, presets[i].value), preset);
  }
  if (!known) {
    fprintf(stderr, "no preset %s\n", preset);
    return 1;
  }
  if (hash) must(memcached_behavior_set(mc, MEMCACHED_BEHAVIOR_HASH, find_hash(hash)), hash);

  for (int i = 2; i < argc; ++i) {
    char *star = strchr(argv[i], '*');
    uint32_t weight = 1;
    if (star) {
      weight = (uint32_t)strtoul(star + 1, NULL, 10);
      *star = '\0';
    }
    if (strncmp(argv[i], "unix:", 5) == 0) {
      must(memcached_server_add_unix_socket_with_weight(mc, argv[i] + 5, weight), argv[i]);
    } else {
      char *colon = strrchr(argv[i], ':');
      *colon = '\0';
      must(memcached_server_add_with_weight(mc, argv[i], (in_port_t)atoi(colon + 1), weight),
           argv[i]);
    }
  }

  static char line[4096];
  while (fgets(line, sizeof line, stdin)) {
    const size_t length = strcspn(line, "\n");
    if (argc == 2) {
      printf("%08x", memcached_generate_hash_value(line, length, find_hash(hash)));
    } else {
      putchar("0123456789abcdefghijklmnopqrstuvwxyz"[memcached_generate_hash(mc, line, length)]);
    }
  }
  putchar('\n');
  memcached_free(mc);
  return 0;
}
