# Health checks for each region
resource "aws_route53_health_check" "us_east" {
  type              = "HTTPS"
  resource_path     = "/health"
  fqdn              = "us-east.example.com"
  port              = 443
  failure_threshold = 3
  request_interval  = 30

  tags = {
    Name = "US East Health Check"
  }
}

resource "aws_route53_health_check" "eu_west" {
  type              = "HTTPS"
  resource_path     = "/health"
  fqdn              = "eu-west.example.com"
  port              = 443
  failure_threshold = 3
  request_interval  = 30

  tags = {
    Name = "EU West Health Check"
  }
}

# Multi-region failover
resource "aws_route53_record" "www" {
  zone_id = aws_route53_zone.main.zone_id
  name    = "www.example.com"
  type    = "A"

  # Geolocation + Latency + Failover
  set_identifier = "US-East-Primary"

  geolocation_routing_policy {
    continent = "NA"
  }

  alias {
    name                   = aws_lb.us_east.dns_name
    zone_id                = aws_lb.us_east.zone_id
    evaluate_target_health = true
  }

  health_check_id = aws_route53_health_check.us_east.id
}

resource "aws_route53_record" "www_eu" {
  zone_id = aws_route53_zone.main.zone_id
  name    = "www.example.com"
  type    = "A"

  set_identifier = "EU-West-Primary"

  geolocation_routing_policy {
    continent = "EU"
  }

  alias {
    name                   = aws_lb.eu_west.dns_name
    zone_id                = aws_lb.eu_west.zone_id
    evaluate_target_health = true
  }

  health_check_id = aws_route53_health_check.eu_west.id
}

# Default/fallback
resource "aws_route53_record" "www_default" {
  zone_id = aws_route53_zone.main.zone_id
  name    = "www.example.com"
  type    = "A"

  set_identifier = "Default"

  geolocation_routing_policy {
    continent = "*"
  }

  alias {
    name                   = aws_lb.us_east.dns_name
    zone_id                = aws_lb.us_east.zone_id
    evaluate_target_health = true
  }
}
