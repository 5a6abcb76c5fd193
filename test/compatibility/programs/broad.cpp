// What programs in C++ use: exceptions across frames, threads, tasks, parallel loops.
#include <atomic>
#include <chrono>
#include <exception>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <latch>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <omp.h>
#include <random>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <variant>
#include <vector>

struct Closing {
  int &count;
  ~Closing() { count++; }
};

static int deep(int depth, int &closed) {
  Closing closing{closed};
  if (depth == 0) throw std::out_of_range("deep down");
  return deep(depth - 1, closed) + 1;
}

static void exceptions() {
  int closed = 0;
  try {
    deep(50, closed);
  } catch (const std::logic_error &error) {
    std::cout << error.what() << ' ' << closed << '\n';
  }
  try {
    std::vector<int>().at(1);
  } catch (...) {
    std::cout << "rethrown " << static_cast<bool>(std::current_exception()) << '\n';
  }
  auto failing = std::async(std::launch::async, []() -> int { throw std::system_error(2, std::generic_category()); });
  try {
    failing.get();
  } catch (const std::system_error &error) {
    std::cout << error.code() << '\n';
  }
}

static void threads() {
  std::atomic<long> sum = 0;
  std::latch start(8);
  {
    std::vector<std::jthread> all;
    for (long i = 0; i < 8; i++)
      all.emplace_back([&, i] {
        start.arrive_and_wait();
        for (int n = 0; n < 1000; n++) sum += i;
      });
  }
  std::counting_semaphore<4> slots(0);
  std::thread other([&] { slots.release(2); });
  slots.acquire(), slots.acquire();
  other.join();
  std::promise<std::string> promise;
  std::jthread([&](std::stop_token) { promise.set_value("promised"); }).detach();
  auto future = promise.get_future();
  std::cout << sum << ' ' << future.get() << ' ' << (std::thread::hardware_concurrency() > 0) << '\n';
  std::timed_mutex mutex;
  mutex.lock();
  std::cout << "timed " << std::async(std::launch::async, [&] { return mutex.try_lock_for(std::chrono::milliseconds(2)); }).get() << '\n';
}

static void parallel() {
  long sum = 0;
  int most = 0;
  std::vector<double> numbers(100000);
#pragma omp parallel num_threads(4)
  {
#pragma omp single
    most = omp_get_num_threads();
#pragma omp for reduction(+ : sum)
    for (int i = 0; i < 100000; i++) sum += i, numbers[static_cast<size_t>(i)] = i * 0.5;
  }
  std::cout << "openmp " << most << ' ' << sum << ' ' << std::accumulate(numbers.begin(), numbers.end(), 0.0) << '\n';
}

static void library() {
  namespace fs = std::filesystem;
  fs::create_directories("tree/a/b");
  std::ofstream("tree/a/b/file") << "text\n";
  fs::create_symlink("a", "tree/link");
  std::cout << std::distance(fs::recursive_directory_iterator("tree"), {}) << ' ' << fs::file_size("tree/a/b/file") << ' '
            << (fs::space(".").available > 0) << ' ' << fs::remove_all("tree") << '\n';
  std::error_code refused;
  fs::create_directory("/usr/x", refused);
  std::cout << "refused " << static_cast<bool>(refused) << '\n';
  std::mt19937_64 random(1);
  std::random_device device;
  std::cout << random() << ' ' << (device() != device()) << ' ' << std::stod("2.5") << '\n';
  std::variant<int, std::string> either = "text";
  std::map<std::string, std::unique_ptr<int>> owned;
  owned["x"] = std::make_unique<int>(7);
  std::cout << std::get<std::string>(either) << ' ' << *owned.at("x") << '\n';
}

int main() {
  exceptions(), threads(), parallel(), library();
  std::cout << "done" << std::endl;
}
