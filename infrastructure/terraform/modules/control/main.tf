# Control planes on Fargate: they keep nothing. An application load balancer ends TLS for people; a network load balancer passes
# nodes' connections through, whose mutual TLS ends in the program.

data "aws_region" "this" {}

locals {
  admin_port = 7070
  node_port  = 7071
  settings = merge({
    ECLUSA_ADMIN_LISTEN_ADDRESS = "0.0.0.0:${local.admin_port}"
    ECLUSA_NODE_LISTEN_ADDRESS  = "0.0.0.0:${local.node_port}"
    ECLUSA_NODE_PUBLIC_URL      = var.node_url
    ECLUSA_PUBLIC_URL           = var.public_url
    # The load balancer stands in it, and says who called.
    ECLUSA_TRUSTED_PROXIES = var.vpc_cidr
    # The load balancer asks every ten seconds and believes the second refusal.
    ECLUSA_DRAIN_DELAY = "25s"
    ECLUSA_DRAIN_TIME  = "20s"
  }, var.settings)
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/${var.name}/control"
  retention_in_days = var.log_days
  kms_key_id        = var.key_arn
}

# --- who may do what ---------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "start" {
  statement {
    sid       = "Secrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.secret_arns["master-key"], var.secret_arns["database-url"]]
  }
  statement {
    sid       = "Decrypt"
    actions   = ["kms:Decrypt"]
    resources = [var.key_arn]
  }
  statement {
    sid       = "Logs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }
}

# What starts a task: reads its two secrets, writes its log.
resource "aws_iam_role" "start" {
  name_prefix        = "${var.name}-start-"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "start" {
  name   = "start-control"
  role   = aws_iam_role.start.id
  policy = data.aws_iam_policy_document.start.json
}

# What the program itself may do with Amazon: nothing.
resource "aws_iam_role" "run" {
  name_prefix        = "${var.name}-control-"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

# --- network ------------------------------------------------------------------------------------------------------------

resource "aws_security_group" "balancer" {
  name_prefix = "${var.name}-admin-balancer-"
  description = "Load balancer of the admin API"
  vpc_id      = var.vpc_id
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "people" {
  count             = length(var.admin_cidrs)
  description       = "People, over TLS"
  security_group_id = aws_security_group.balancer.id
  cidr_ipv4         = var.admin_cidrs[count.index]
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  description                  = "Control planes"
  security_group_id            = aws_security_group.balancer.id
  referenced_security_group_id = aws_security_group.control.id
  ip_protocol                  = "tcp"
  from_port                    = local.admin_port
  to_port                      = local.admin_port
}

resource "aws_security_group" "node_balancer" {
  name_prefix = "${var.name}-node-balancer-"
  description = "Load balancer for nodes: TCP, mutual TLS ends behind it"
  vpc_id      = var.vpc_id
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "nodes" {
  count             = length(var.node_cidrs)
  description       = "Gateway nodes, with their certificates"
  security_group_id = aws_security_group.node_balancer.id
  cidr_ipv4         = var.node_cidrs[count.index]
  ip_protocol       = "tcp"
  from_port         = local.node_port
  to_port           = local.node_port
}

resource "aws_vpc_security_group_egress_rule" "node_balancer" {
  count                        = 2
  description                  = "Control planes, and their health"
  security_group_id            = aws_security_group.node_balancer.id
  referenced_security_group_id = aws_security_group.control.id
  ip_protocol                  = "tcp"
  from_port                    = [local.node_port, local.admin_port][count.index]
  to_port                      = [local.node_port, local.admin_port][count.index]
}

resource "aws_security_group" "control" {
  name_prefix = "${var.name}-control-"
  description = "Control planes"
  vpc_id      = var.vpc_id
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "admin" {
  description                  = "From the admin API's load balancer"
  security_group_id            = aws_security_group.control.id
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = local.admin_port
  to_port                      = local.admin_port
}

resource "aws_vpc_security_group_ingress_rule" "node" {
  count                        = 2
  description                  = "From the load balancer for nodes, its health checks included"
  security_group_id            = aws_security_group.control.id
  referenced_security_group_id = aws_security_group.node_balancer.id
  ip_protocol                  = "tcp"
  from_port                    = [local.node_port, local.admin_port][count.index]
  to_port                      = [local.node_port, local.admin_port][count.index]
}

resource "aws_vpc_security_group_egress_rule" "database" {
  description       = "Postgres"
  security_group_id = aws_security_group.control.id
  cidr_ipv4         = var.vpc_cidr
  ip_protocol       = "tcp"
  from_port         = 5432
  to_port           = 5432
}

resource "aws_vpc_security_group_egress_rule" "world" {
  for_each          = { https = 443, mail = 587, mail_tls = 465 }
  description       = "Identity providers, test calls to providers, the mail server"
  security_group_id = aws_security_group.control.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
}

# --- load balancers -----------------------------------------------------------------------------------------------------

resource "aws_lb" "admin" {
  name                       = "${var.name}-admin"
  load_balancer_type         = "application"
  security_groups            = [aws_security_group.balancer.id]
  subnets                    = var.public_subnet_ids
  drop_invalid_header_fields = true
  enable_deletion_protection = true
  # Events are streams that may be silent for long.
  idle_timeout = 300
  access_logs {
    bucket  = var.access_log_bucket
    prefix  = "${var.name}-admin"
    enabled = true
  }
}

resource "aws_lb_target_group" "admin" {
  name                 = "${var.name}-admin"
  vpc_id               = var.vpc_id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = local.admin_port
  deregistration_delay = 30
  health_check {
    path                = "/health/ready"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "admin" {
  load_balancer_arn = aws_lb.admin.arn
  protocol          = "HTTPS"
  port              = 443
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn
  default_action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      status_code  = "404"
    }
  }
}

# Neither /metrics nor /health is offered to the outside.
resource "aws_lb_listener_rule" "admin" {
  listener_arn = aws_lb_listener.admin.arn
  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.admin.arn
  }
  condition {
    path_pattern {
      values = ["/api/*", "/console", "/console/*", "/.well-known/jwks.json"]
    }
  }
}

resource "aws_lb" "nodes" {
  name                             = "${var.name}-nodes"
  load_balancer_type               = "network"
  security_groups                  = [aws_security_group.node_balancer.id]
  subnets                          = var.public_subnet_ids
  enable_cross_zone_load_balancing = true
  enable_deletion_protection       = true
  access_logs {
    bucket  = var.access_log_bucket
    prefix  = "${var.name}-nodes"
    enabled = true
  }
}

resource "aws_lb_target_group" "nodes" {
  name                 = "${var.name}-nodes"
  vpc_id               = var.vpc_id
  target_type          = "ip"
  protocol             = "TCP"
  port                 = local.node_port
  deregistration_delay = 30
  health_check {
    protocol            = "HTTP"
    port                = local.admin_port
    path                = "/health/ready"
    interval            = 10
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "nodes" {
  load_balancer_arn = aws_lb.nodes.arn
  protocol          = "TCP"
  port              = local.node_port
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.nodes.arn
  }
}

# --- the programs -------------------------------------------------------------------------------------------------------

resource "aws_ecs_cluster" "this" {
  name = var.name
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "control" {
  family                   = "${var.name}-control"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory_mib
  execution_role_arn       = aws_iam_role.start.arn
  task_role_arn            = aws_iam_role.run.arn
  container_definitions = jsonencode([{
    name                   = "control"
    image                  = var.image
    essential              = true
    readonlyRootFilesystem = true
    user                   = "65532:65532"
    stopTimeout            = 60
    portMappings           = [for port in [local.admin_port, local.node_port] : { containerPort = port, protocol = "tcp" }]
    environment            = [for name, value in local.settings : { name = name, value = value }]
    secrets = [
      { name = "ECLUSA_DATABASE_URL", valueFrom = var.secret_arns["database-url"] },
      { name = "ECLUSA_MASTER_KEY", valueFrom = var.secret_arns["master-key"] },
    ]
    linuxParameters = { initProcessEnabled = false, capabilities = { drop = ["ALL"] } }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = data.aws_region.this.name
        awslogs-stream-prefix = "control"
      }
    }
  }])
}

resource "aws_ecs_service" "control" {
  name                               = "control"
  cluster                            = aws_ecs_cluster.this.id
  task_definition                    = aws_ecs_task_definition.control.arn
  launch_type                        = "FARGATE"
  platform_version                   = "LATEST"
  desired_count                      = var.replicas
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = 180
  propagate_tags                     = "SERVICE"
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
  network_configuration {
    subnets          = var.private_subnet_ids
    security_groups  = [aws_security_group.control.id]
    assign_public_ip = false
  }
  load_balancer {
    target_group_arn = aws_lb_target_group.admin.arn
    container_name   = "control"
    container_port   = local.admin_port
  }
  load_balancer {
    target_group_arn = aws_lb_target_group.nodes.arn
    container_name   = "control"
    container_port   = local.node_port
  }
  depends_on = [aws_lb_listener_rule.admin, aws_lb_listener.nodes]
}
