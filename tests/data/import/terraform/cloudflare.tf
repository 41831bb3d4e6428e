# Origin pools (data centers)
resource "cloudflare_load_balancer_pool" "us_east_pool" {
  name = "us-east-pool"

  origins {
    name    = "us-east-1"
    address = "192.168.1.10"
    enabled = true
  }

  origins {
    name    = "us-east-2"
    address = "192.168.1.11"
    enabled = true
  }

  latitude  = 39.0
  longitude = -77.5

  check_regions = ["WNAM", "ENAM"]

  monitor = cloudflare_load_balancer_monitor.http_monitor.id
}

resource "cloudflare_load_balancer_pool" "eu_west_pool" {
  name = "eu-west-pool"

  origins {
    name    = "eu-west-1"
    address = "192.168.2.10"
    enabled = true
  }

  latitude  = 51.5
  longitude = -0.1

  monitor = cloudflare_load_balancer_monitor.http_monitor.id
}

# Health monitor
resource "cloudflare_load_balancer_monitor" "http_monitor" {
  type        = "http"
  port        = 80
  method      = "GET"
  path        = "/health"
  interval    = 60
  timeout     = 5
  retries     = 2
  expected_codes = "200"
}

# Global load balancer
resource "cloudflare_load_balancer" "global_lb" {
  zone_id          = var.cloudflare_zone_id
  name             = "www.example.com"
  fallback_pool_id = cloudflare_load_balancer_pool.us_east_pool.id
  default_pool_ids = [
    cloudflare_load_balancer_pool.us_east_pool.id,
    cloudflare_load_balancer_pool.eu_west_pool.id
  ]

  # Geographic steering
  region_pools {
    region   = "WNAM"
    pool_ids = [cloudflare_load_balancer_pool.us_east_pool.id]
  }

  region_pools {
    region   = "WEUR"
    pool_ids = [cloudflare_load_balancer_pool.eu_west_pool.id]
  }

  # Steering policy
  steering_policy = "geo"  # or "dynamic_latency", "random", "off"

  # Session affinity
  session_affinity = "cookie"
  session_affinity_ttl = 3600
}
