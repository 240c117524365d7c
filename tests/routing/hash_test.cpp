// The digests against their standards, and the hashes where clients differ from a textbook.
#include "../../src/routing/hash.hpp"

#include <array>
#include <gtest/gtest.h>
#include <string>
#include <string_view>

#include "../../src/routing/decimal.hpp"
#include "../../src/routing/md5.hpp"
#include "../../src/routing/murmur3.hpp"
#include "../../src/routing/sha1.hpp"

namespace {

using namespace memcxx::routing;

std::string hex(const std::array<std::uint32_t, 4>& words) {
  std::string text;
  for (const std::uint32_t word : words) {
    for (int shift = 0; shift < 32; shift += 8) {
      const std::uint32_t byte = word >> shift & 0xff;
      text += "0123456789abcdef"[byte >> 4];
      text += "0123456789abcdef"[byte & 15];
    }
  }
  return text;
}

// RFC 1321, appendix A.5.
TEST(Md5, GivesTheDigestsOfItsStandard) {
  EXPECT_EQ(hex(md5_words("")), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(hex(md5_words("a")), "0cc175b9c0f1b6a831c399e269772661");
  EXPECT_EQ(hex(md5_words("abc")), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(hex(md5_words("message digest")), "f96b697d7cb7938d525a2f31aaf161d0");
  EXPECT_EQ(hex(md5_words("abcdefghijklmnopqrstuvwxyz")), "c3fcd3d76192e4007dfb496cca67e13b");
  EXPECT_EQ(hex(md5_words("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")),
            "d174ab98d277d9f5a5611c2c9f419d9f");
  EXPECT_EQ(hex(md5_words("1234567890123456789012345678901234567890123456789012345678901234567890"
                          "1234567890")),
            "57edf4a22be3c955ac49da2e2107b67a");
}

// Around the lengths where padding takes another block. The digests are coreutils' md5sum's.
TEST(Md5, PadsRightAroundABlocksEnd) {
  EXPECT_EQ(hex(md5_words(std::string(55, 'x'))), "04364420e25c512fd958a70738aa8f72");
  EXPECT_EQ(hex(md5_words(std::string(56, 'x'))), "668a72d5ba17f08e62dabcafad6db14b");
  EXPECT_EQ(hex(md5_words(std::string(63, 'x'))), "7dc2ca208106a2f703567bdff99d8981");
  EXPECT_EQ(hex(md5_words(std::string(64, 'x'))), "c1bb4f81d892b2d57947682aeb252456");
  EXPECT_EQ(hex(md5_words(std::string(65, 'x'))), "1bc932052302d074bdec39795fe00cf6");
  EXPECT_EQ(hex(md5_words(std::string(250, 'x'))), "79c1514b2407bf4708dfb8ef4b6827d5");
}

// RFC 3174, section 7.3, and lengths around a block's end as sha1sum has them.
TEST(Sha1, GivesTheDigestsOfItsStandard) {
  EXPECT_EQ(sha1_first_word("abc"), 0xa9993e36U);
  EXPECT_EQ(sha1_first_word("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            0x84983e44U);
  EXPECT_EQ(sha1_first_word(std::string(1'000'000, 'a')), 0x34aa973cU);
  EXPECT_EQ(sha1_first_word(""), 0xda39a3eeU);
  EXPECT_EQ(sha1_first_word(std::string(55, 'x')), 0xcef734baU);
  EXPECT_EQ(sha1_first_word(std::string(56, 'x')), 0x90130536U);
  EXPECT_EQ(sha1_first_word(std::string(64, 'x')), 0xbb2fa3eeU);
}

TEST(Crc32, IsTheStandardOne) {
  EXPECT_EQ(crc32("123456789"), 0xcbf43926U);
  EXPECT_EQ(crc32(""), 0U);
}

TEST(Crc32, GoesOnWhereItEnded) {
  const std::string_view text = "the quick brown fox";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(crc32_after(crc32(text.substr(0, cut)), text.substr(cut)), crc32(text)) << cut;
  }
}

// The values that python-memcached 1.62 gives.
TEST(Crc32, HighBitsAreThePythonHash) {
  EXPECT_EQ(crc32_high("x"), 3292U);
  EXPECT_EQ(crc32_high("y"), 31707U);
  EXPECT_EQ(crc32_high("foo"), 3187U);
  EXPECT_EQ(crc32_high("hello"), 13840U);
  EXPECT_EQ(crc32_high("ob"), 0U);
}

// CRC-16/XMODEM's check value; what twemproxy shifts out of the low sixteen bits stays on top.
TEST(Crc16, HasTheStandardValueInItsLowHalf) {
  EXPECT_EQ(crc16("123456789") & 0xffffU, 0x31c3U);
  EXPECT_EQ(crc16("123456789"), 0x869031c3U);
}

TEST(Murmur3, GivesItsReferenceValues) {
  const auto murmur3_32 = [](std::string_view text, std::uint32_t seed) {
    murmur3_state state(seed);
    for (const char c : text) state.add(static_cast<unsigned char>(c));
    return state.finish();
  };
  EXPECT_EQ(murmur3_32("", 0), 0U);
  EXPECT_EQ(murmur3_32("", 1), 0x514e28b7U);
  EXPECT_EQ(murmur3_32("hello", 0), 0x248bfa47U);
  EXPECT_EQ(murmur3_32("hello, world", 0), 0x149bbb7fU);
  EXPECT_EQ(murmur3_32("The quick brown fox jumps over the lazy dog", 0), 0x2e4ff723U);
}

// The published test values of FNV-1 and FNV-1a.
TEST(Fnv, IsTheTextbooksForAscii) {
  EXPECT_EQ(fnv1_32("foobar"), 0x31f0b262U);
  EXPECT_EQ(fnv1a_32("foobar"), 0xbf9cf968U);
  EXPECT_EQ(fnv1_64("foobar"), 0xa4dda9c2U);  // the low half
}

TEST(Fnv, DiffersFromLibmcsBeyondAscii) {
  for (const std::string_view name : {"fnv1_32", "fnv1a_32"}) {
    const hash_function here = find_hash(name);
    const hash_function libmc = find_libmc_hash(name);
    ASSERT_NE(here, nullptr);
    ASSERT_NE(libmc, nullptr);
    EXPECT_EQ(here("plain"), libmc("plain"));
    EXPECT_NE(here("\xc3\xa9"), libmc("\xc3\xa9"));
  }
}

TEST(HashNames, AreThoseOfTheClients) {
  for (const std::string_view name :
       {"default", "md5", "crc", "crc32a", "fnv1_32", "fnv1a_32", "fnv1_64", "fnv1a_64", "hsieh",
        "murmur", "murmur3", "jenkins"}) {
    EXPECT_NE(find_hash(name), nullptr) << name;
  }
  EXPECT_EQ(find_hash("default"), &one_at_a_time);
  EXPECT_EQ(find_twemproxy_hash("default"), &fnv1a_64);
  EXPECT_EQ(find_hash("sha256"), nullptr);
  EXPECT_EQ(find_hash(""), nullptr);
  EXPECT_EQ(find_libmc_hash("jenkins"), nullptr);
}

// A hash may read a key several bytes at a time, but never past its end: what follows changes
// nothing.
TEST(Hashes, TakeAKeyOfEveryLength) {
  const std::string bytes(300, '\xe5');
  for (const std::string_view name :
       {"default", "md5", "crc", "crc16", "crc32a", "fnv1_32", "fnv1a_32", "fnv1_64", "fnv1a_64",
        "hsieh", "murmur", "murmur3", "jenkins"}) {
    const hash_function hash = find_hash(name);
    for (std::size_t length = 0; length <= bytes.size(); ++length) {
      const std::string key = bytes.substr(0, length);
      EXPECT_EQ(hash(key), hash(std::string_view(key + "tail").substr(0, length)))
          << name << ' ' << length;
    }
  }
}

TEST(Decimal, WritesEveryNumber) {
  EXPECT_EQ(decimal(0).view(), "0");
  EXPECT_EQ(decimal(31707).view(), "31707");
  EXPECT_EQ(decimal(4294967295U).view(), "4294967295");
}

}  // namespace
