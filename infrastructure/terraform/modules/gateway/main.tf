# Gateway nodes of one region on machines of their own, not on Fargate: a node's outbox holds usage that is not handed in yet, and
# a disk outlives a killed process. The load balancer ends TLS and does not buffer.

locals {
  call_port       = 8080
  operations_port = 8081
  # The load balancer asks every ten seconds and believes the second refusal.
  drain_delay_seconds = 25
  settings = merge({
    ECLUSA_LISTEN_ADDRESS            = "0.0.0.0:${local.call_port}"
    ECLUSA_OPERATIONS_LISTEN_ADDRESS = "0.0.0.0:${local.operations_port}"
    ECLUSA_JOIN                      = "file:/etc/eclusa/join.bundle"
    # The load balancer stands in it, and says who called.
    ECLUSA_TRUSTED_PROXIES = var.vpc_cidr
    ECLUSA_DRAIN_DELAY     = "${local.drain_delay_seconds}s"
    ECLUSA_DRAIN_TIME      = "${var.drain_seconds}s"
  }, var.settings)
}

data "aws_region" "this" {}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

# A node reads one secret: the token that makes its join token.
data "aws_iam_policy_document" "node" {
  statement {
    sid       = "Enroll"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.enrollment_secret_arn]
  }
  statement {
    sid       = "Decrypt"
    actions   = ["kms:Decrypt"]
    resources = [var.enrollment_key_arn]
  }
}

resource "aws_iam_role" "node" {
  name_prefix        = "${var.name}-gateway-"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "node" {
  name   = "enroll"
  role   = aws_iam_role.node.id
  policy = data.aws_iam_policy_document.node.json
}

resource "aws_iam_instance_profile" "node" {
  name_prefix = "${var.name}-gateway-"
  role        = aws_iam_role.node.name
}

# --- network ------------------------------------------------------------------------------------------------------------

resource "aws_security_group" "balancer" {
  name_prefix = "${var.name}-gateway-balancer-"
  description = "Load balancer of the gateways"
  vpc_id      = var.vpc_id
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "applications" {
  count             = length(var.client_cidrs)
  description       = "Applications, over TLS"
  security_group_id = aws_security_group.balancer.id
  cidr_ipv4         = var.client_cidrs[count.index]
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  count                        = 2
  description                  = "Nodes, and their health"
  security_group_id            = aws_security_group.balancer.id
  referenced_security_group_id = aws_security_group.node.id
  ip_protocol                  = "tcp"
  from_port                    = [local.call_port, local.operations_port][count.index]
  to_port                      = [local.call_port, local.operations_port][count.index]
}

resource "aws_security_group" "node" {
  name_prefix = "${var.name}-gateway-"
  description = "Gateway nodes"
  vpc_id      = var.vpc_id
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "node" {
  count                        = 2
  description                  = "From the load balancer"
  security_group_id            = aws_security_group.node.id
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = [local.call_port, local.operations_port][count.index]
  to_port                      = [local.call_port, local.operations_port][count.index]
}

# Providers, the control plane, and Amazon's secrets.
resource "aws_vpc_security_group_egress_rule" "node" {
  for_each          = { https = 443, control = 7071 }
  description       = "Providers and the control plane"
  security_group_id = aws_security_group.node.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
}

# --- load balancer ------------------------------------------------------------------------------------------------------

resource "aws_lb" "this" {
  name                       = "${var.name}-gateway"
  load_balancer_type         = "application"
  security_groups            = [aws_security_group.balancer.id]
  subnets                    = var.public_subnet_ids
  drop_invalid_header_fields = true
  enable_deletion_protection = true
  # A model may think for minutes before its first byte.
  idle_timeout = 900
  access_logs {
    bucket  = var.access_log_bucket
    prefix  = "${var.name}-gateway"
    enabled = true
  }
}

resource "aws_lb_target_group" "this" {
  name                          = "${var.name}-gateway"
  vpc_id                        = var.vpc_id
  protocol                      = "HTTP"
  port                          = local.call_port
  load_balancing_algorithm_type = "least_outstanding_requests"
  # Streams go on while a node leaves.
  deregistration_delay = var.drain_seconds
  health_check {
    port                = local.operations_port
    path                = "/health/ready"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "this" {
  load_balancer_arn = aws_lb.this.arn
  protocol          = "HTTPS"
  port              = 443
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}

# --- nodes --------------------------------------------------------------------------------------------------------------

resource "aws_launch_template" "node" {
  name_prefix            = "${var.name}-gateway-"
  image_id               = var.image_id
  instance_type          = var.instance_type
  update_default_version = true
  ebs_optimized          = true
  vpc_security_group_ids = [aws_security_group.node.id]
  iam_instance_profile {
    arn = aws_iam_instance_profile.node.arn
  }
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  monitoring {
    enabled = true
  }
  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_type = "gp3"
      volume_size = 20
      encrypted   = true
      kms_key_id  = var.key_arn
    }
  }
  user_data = base64encode(templatefile("${path.module}/start-node.sh.tftpl", {
    settings    = local.settings
    secret      = var.enrollment_secret_arn
    region      = data.aws_region.this.name
    region_name = var.region_name
    control_url = var.control_url
    # The unit's own limit is for the defaults: a node that is killed while it drains leaves with usage on its disk.
    stop_seconds = local.drain_delay_seconds + var.drain_seconds + 30
  }))
}

resource "aws_autoscaling_group" "this" {
  name_prefix         = "${var.name}-gateway-"
  min_size            = var.minimum
  max_size            = var.maximum
  vpc_zone_identifier = var.private_subnet_ids
  target_group_arns   = [aws_lb_target_group.this.arn]
  health_check_type   = "ELB"
  # From boot to a verified snapshot.
  health_check_grace_period = 180
  default_instance_warmup   = 120
  launch_template {
    id      = aws_launch_template.node.id
    version = aws_launch_template.node.latest_version
  }
  instance_refresh {
    strategy = "Rolling"
    preferences {
      min_healthy_percentage = 100
      max_healthy_percentage = 150
    }
  }
  tag {
    key                 = "Name"
    value               = "${var.name}-gateway"
    propagate_at_launch = true
  }
}

resource "aws_autoscaling_policy" "processor" {
  name                   = "processor"
  autoscaling_group_name = aws_autoscaling_group.this.name
  policy_type            = "TargetTrackingScaling"
  target_tracking_configuration {
    target_value = 60
    predefined_metric_specification {
      predefined_metric_type = "ASGAverageCPUUtilization"
    }
  }
}
